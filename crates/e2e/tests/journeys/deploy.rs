//! From `git push` to an answer.

use anyhow::ensure;
use e2e::{Person, Repository};

use crate::stage::{Stage, deployed};

pub(crate) fn push_serves(stage: &Stage) -> anyhow::Result<()> {
    let server = stage.server()?;
    let owner = stage.owner()?;
    let repository = Repository::of(&owner, "probe", "deploy-push")?;
    repository.heroku(&["apps:create", "deploy-push"])?.ok()?;
    let push = repository.push()?.ok()?;
    for text in [
        "remote: -----> ",
        "remote:        Procfile declares types -> web, worker",
        "remote:        Released v",
        "deploy-push.localhost",
        "remote: Verifying deploy... done.",
        "[new branch]",
    ] {
        ensure!(push.stderr.contains(text), "`{text}` is missing: {push}");
    }
    ensure!(!push.stderr.contains("\x1b["), "colours in a pipe: {push}");
    server.app_says("deploy-push", "/", "version one from web.1")?;

    repository.push()?.ok()?.says("Everything up-to-date")?;
    repository.change("VERSION", "two\n")?;
    repository.push()?.ok()?;
    server.app_says("deploy-push", "/", "version two")?;
    Ok(())
}

pub(crate) fn node_example(stage: &Stage) -> anyhow::Result<()> {
    let server = stage.server()?;
    let owner = stage.owner()?;
    let repository = Repository::of(&owner, "node-hello", "deploy-node")?;
    repository.heroku(&["apps:create", "deploy-node"])?.ok()?;
    repository.push()?.ok()?.says("Node.js app detected")?;
    server.app_says("deploy-node", "/", "")?;
    Ok(())
}

pub(crate) fn failed_build(stage: &Stage) -> anyhow::Result<()> {
    let server = stage.server()?;
    let owner = stage.owner()?;
    let repository = deployed(&server, &owner, "deploy-failed")?;
    let good = repository.head()?;
    repository.change("package.json", r#"{ "name": "x", "scripts": { "build": "echo no luck; exit 1" } }"#)?;
    repository.heroku(&["buildpacks:set", "heroku/nodejs"])?.ok()?;
    let refused = repository.push()?.fails()?;
    for text in ["no luck", "Push rejected", "pre-receive hook declined"] {
        ensure!(refused.stderr.contains(text), "`{text}` is missing: {refused}");
    }
    let listed = repository.git(&["ls-remote", "heroku", "refs/heads/main"])?.ok()?;
    ensure!(listed.stdout.starts_with(&good), "the branch has moved: {listed}");
    server.app_says("deploy-failed", "/", "version one")?;
    Ok(())
}

pub(crate) fn other_branches(stage: &Stage) -> anyhow::Result<()> {
    let server = stage.server()?;
    let owner = stage.owner()?;
    let repository = deployed(&server, &owner, "deploy-branches")?;
    repository.git(&["checkout", "--quiet", "-b", "feature"])?.ok()?;
    repository.change("VERSION", "feature\n")?;
    let push = repository.git(&["push", "heroku", "feature"])?.ok()?;
    push.says("Pushed to branch other than [main, master], skipping build.")?;
    server.app_says("deploy-branches", "/", "version one")?;
    repository.git(&["push", "heroku", "--delete", "main"])?.fails()?;

    let clone = owner.folder("clone");
    owner.git(owner.home(), &["clone", "--quiet", &format!("{}/deploy-branches.git", server.url()), "clone"])?.ok()?;
    ensure!(std::fs::read_to_string(clone.join("VERSION"))? == "one\n", "the clone is another version");
    Ok(())
}

pub(crate) fn refused_without_key(stage: &Stage) -> anyhow::Result<()> {
    let server = stage.server()?;
    let owner = stage.owner()?;
    let repository = Repository::of(&owner, "probe", "code")?;
    repository.heroku(&["apps:create", "deploy-refused"])?.ok()?;
    let remote = format!("{}/deploy-refused.git", server.url());

    let thief: Person = stage.owner()?.and("HEROKU_API_KEY", "HRKU-not-a-key");
    thief.git(repository.path(), &["push", &remote, "main"])?.fails()?.does_not_say("----->")?;
    repository.git(&["push", &format!("{}/no-such-app.git", server.url()), "main"])?.fails()?;
    Ok(())
}
