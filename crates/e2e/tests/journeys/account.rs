//! The account, and the lists that the platform has.

use anyhow::ensure;
use e2e::eventually;

use crate::stage::{PATIENCE, Stage, deployed};

pub(crate) fn whoami_and_lists(stage: &Stage) -> anyhow::Result<()> {
    let server = stage.server()?;
    let owner = stage.owner()?;
    owner.heroku(&["auth:whoami"])?.ok()?.says("@")?;
    let token = owner.heroku(&["auth:token"])?.ok()?;
    ensure!(token.stdout.trim().len() >= 40, "a short token");
    owner.heroku(&["regions"])?.ok()?;
    owner.heroku(&["status"])?.ok()?.says("No known issues")?;
    owner.heroku(&["labs"])?.ok()?;

    let app = deployed(&server, &owner, "account-app")?;
    app.heroku(&["stack"])?.ok()?.says("debian-13")?;
    app.heroku(&["features"])?.ok()?;
    app.heroku(&["maintenance:on"])?.ok()?;
    app.heroku(&["maintenance"])?.ok()?.says("on")?;
    let status = |wanted: u16, text: &str| {
        eventually(PATIENCE, || {
            let page = server.app("account-app", "/")?;
            ensure!(page.status == wanted && page.body.contains(text), "{page:?}");
            Ok(())
        })
    };
    status(503, "maintenance")?;
    app.heroku(&["maintenance:off"])?.ok()?;
    status(200, "version one")
}

pub(crate) fn drains(stage: &Stage) -> anyhow::Result<()> {
    let owner = stage.owner()?;
    owner.heroku(&["apps:create", "account-drains"])?.ok()?;
    let heroku = |words: &[&str]| owner.heroku(&[words, &["--app", "account-drains"]].concat());
    let url = "https://logs.example.com/intake?key=1";
    heroku(&["drains:add", url])?.ok()?;
    heroku(&["drains"])?.ok()?.says(url)?;
    heroku(&["drains:add", "ftp://example.com"])?.fails()?;
    heroku(&["drains:remove", url])?.ok()?;
    heroku(&["drains"])?.ok()?.does_not_say(url)?;
    Ok(())
}
