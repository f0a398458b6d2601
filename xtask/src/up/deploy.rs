//! An example, deployed the way a user does it: an app by the API, the code by
//! `git push`, the answer through the router.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use e2e::http::{self, Request};
use serde_json::json;

use super::Place;
use crate::privilege::as_root;
use crate::steps::{Step, run};

const EXAMPLE: &str = "node-hello";
const ANSWER_PATIENCE: Duration = Duration::from_secs(60);

pub(super) struct Deployed {
    pub(super) app: String,
    pub(super) url: String,
    /// What the app said.
    pub(super) answer: String,
    /// How long `git push` took; `None` if there was nothing to push.
    pub(super) push: Option<Duration>,
}

pub(super) fn example(place: &Place) -> anyhow::Result<Deployed> {
    let variables = environment(place)?;
    let value = |name: &str| {
        let found = variables.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.to_string_lossy().into_owned()).with_context(|| format!("no {name}"))
    };
    create_app(place, &value("HEROKU_API_KEY")?)?;
    let push = push(&format!("{}/{EXAMPLE}.git", value("HEROKU_HOST")?), &variables)?;

    let step = Step::begin("Request through the router");
    let host = format!("{EXAMPLE}.localhost:{}", place.address.port());
    let answer = e2e::eventually(ANSWER_PATIENCE, || {
        let response = http::get(place.address, &host, "/")?;
        ensure!(response.status == 200, "http://{host}/ answers {}: {}", response.status, response.body);
        Ok(response.body)
    })?;
    step.done();
    Ok(Deployed { app: EXAMPLE.to_owned(), url: format!("http://{host}/"), answer: first_line(&answer), push })
}

/// Our own variables and those of `renga env`.
fn environment(place: &Place) -> anyhow::Result<Vec<(OsString, OsString)>> {
    let command = as_root(&place.renga);
    let mut words: Vec<OsString> = vec![command.get_program().to_owned()];
    words.extend(command.get_args().map(ToOwned::to_owned));
    words.push("env".into());
    words.extend(place.data_dir_words().into_iter().map(Into::into));
    let base: Vec<(OsString, OsString)> = std::env::vars_os().collect();
    e2e::environment(&words, &base)
}

fn create_app(place: &Place, key: &str) -> anyhow::Result<()> {
    let authorization = format!("Bearer {key}");
    let headers = [
        ("Accept", "application/vnd.heroku+json; version=3"),
        ("Authorization", authorization.as_str()),
        ("Content-Type", "application/json"),
    ];
    let request = Request { method: "GET", host: "localhost", path: "/", headers: &headers, body: "" };
    let path = format!("/apps/{EXAMPLE}");
    let existing = http::send(place.address, &Request { path: &path, ..request.clone() })?;
    if existing.status == 200 {
        return Ok(());
    }
    let step = Step::begin(format!("App {EXAMPLE}"));
    let body = json!({ "name": EXAMPLE }).to_string();
    let made = http::send(place.address, &Request { method: "POST", path: "/apps", body: &body, ..request })?;
    ensure!(made.status == 201, "the app could not be made ({}): {}", made.status, made.body);
    step.done();
    Ok(())
}

/// Pushes a copy of the example. Its commit depends on the files alone, so the
/// same files again are nothing new to git.
fn push(remote: &str, variables: &[(OsString, OsString)]) -> anyhow::Result<Option<Duration>> {
    let scratch = tempfile::tempdir()?;
    let repository = scratch.path().join(EXAMPLE);
    e2e::copy_folder(&e2e::workspace_root().join("examples").join(EXAMPLE), &repository)?;
    let git = |arguments: &[&str]| git(&repository, arguments, variables);
    run(&mut git(&["init", "--quiet", "--initial-branch=main"]))?;
    run(&mut git(&["add", "--all"]))?;
    run(&mut git(&["commit", "--quiet", "--message=The example as it is"]))?;
    if listed(&mut git(&["ls-remote", remote, "refs/heads/main"]))? == listed(&mut git(&["rev-parse", "HEAD"]))? {
        return Ok(None);
    }
    let step = Step::begin(format!("git push ({EXAMPLE})"));
    // The example may have been changed since: its history is no one's.
    run(&mut git(&["push", "--force", remote, "main"]))?;
    Ok(Some(step.done()))
}

fn git(repository: &Path, arguments: &[&str], variables: &[(OsString, OsString)]) -> Command {
    const DATE: &str = "2026-01-01T00:00:00Z";
    let mut command = Command::new("git");
    command
        .args(["-c", "user.name=Renga", "-c", "user.email=renga@localhost", "-c", "commit.gpgSign=false"])
        .args(arguments)
        .current_dir(repository)
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .envs([("GIT_AUTHOR_DATE", DATE), ("GIT_COMMITTER_DATE", DATE), ("GIT_TERMINAL_PROMPT", "0")]);
    command
}

/// The first word that a command prints.
fn listed(command: &mut Command) -> anyhow::Result<String> {
    let output = command.output().context("could not start git")?;
    if !output.status.success() {
        bail!("git failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout).split_whitespace().next().unwrap_or_default().to_owned())
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}
