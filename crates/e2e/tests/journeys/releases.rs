//! Releases from the CLI.

use anyhow::ensure;

use crate::stage::{Stage, deployed, eventually_says};

pub(crate) fn listed_and_rolled_back(stage: &Stage) -> anyhow::Result<()> {
    let server = stage.server()?;
    let owner = stage.owner()?;
    let repository = deployed(&server, &owner, "releases-back")?;
    repository.heroku(&["releases"])?.ok()?.says("Deploy")?;
    let releases = repository.heroku(&["releases", "--json"])?.ok()?.json()?;
    let first = releases[0]["version"].as_i64().unwrap_or_default();
    ensure!(first > 0 && releases[0]["current"] == true, "{releases}");

    repository.change("VERSION", "two\n")?;
    repository.push()?.ok()?;
    server.app_says("releases-back", "/", "version two")?;
    repository.heroku(&["releases:info", &format!("v{first}")])?.ok()?.says("Deploy")?.says("owner@")?;

    repository.heroku(&["rollback", &format!("v{first}")])?.ok()?;
    server.app_says("releases-back", "/", "version one")?;
    repository.heroku(&["releases"])?.ok()?.says(&format!("Rollback to v{first}"))?;
    let releases = repository.heroku(&["releases", "--json"])?.ok()?.json()?;
    ensure!(releases[0]["version"] == first + 2 && releases[0]["current"] == true, "{releases}");

    repository.heroku(&["config:set", "COLOUR=blue"])?.ok()?;
    repository.heroku(&["releases"])?.ok()?.says("Set COLOUR config vars")?;
    Ok(())
}

pub(crate) fn release_phase(stage: &Stage) -> anyhow::Result<()> {
    let server = stage.server()?;
    let owner = stage.owner()?;
    let repository = deployed(&server, &owner, "releases-phase")?;
    let with_phase = "web: python3 web.py\nrelease: echo prepares $(cat VERSION) && test $(cat VERSION) != bad\n";
    repository.change("VERSION", "two\n")?;
    repository.change("Procfile", with_phase)?;
    repository.push()?.ok()?.says("prepares two")?;
    server.app_says("releases-phase", "/", "version two")?;
    repository.heroku(&["releases:output"])?.ok()?.says("prepares two")?;

    // As on Heroku: the push is taken, the release fails, traffic stays.
    repository.change("VERSION", "bad\n")?;
    repository.push()?.says("prepares bad")?;
    eventually_says(&owner, &["releases", "--app", "releases-phase"], "release command failed")?;
    server.app_says("releases-phase", "/", "version two")?;
    Ok(())
}
