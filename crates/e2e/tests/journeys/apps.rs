//! Apps from the CLI.

use std::os::unix::fs::PermissionsExt;

use anyhow::ensure;
use e2e::{Repository, eventually};

use crate::stage::{PATIENCE, Stage};

pub(crate) fn made_to_destroyed(stage: &Stage) -> anyhow::Result<()> {
    let server = stage.server()?;
    let owner = stage.owner()?;
    owner.heroku(&["apps:create", "apps-first"])?.ok()?.says("apps-first")?;
    owner.heroku(&["apps"])?.ok()?.says("apps-first")?;
    owner.heroku(&["apps:create", "apps-first"])?.fails()?.says("taken")?;
    owner.heroku(&["apps:create", "No_Name"])?.fails()?;

    let info = owner.heroku(&["apps:info", "--app", "apps-first", "--json"])?.ok()?.json()?;
    ensure!(info["app"]["name"] == "apps-first", "{info}");
    ensure!(info["app"]["web_url"].as_str().is_some_and(|url| url.contains("apps-first.localhost")), "{info}");
    owner.heroku(&["apps:info", "--app", "apps-first"])?.ok()?.says("Web URL")?.says(&server.url()[8..])?;

    owner.heroku(&["apps:rename", "apps-second", "--app", "apps-first"])?.ok()?;
    owner.heroku(&["apps:info", "--app", "apps-second"])?.ok()?;
    owner.heroku(&["apps:info", "--app", "apps-first"])?.fails()?.says("not_found")?;

    opens_the_browser(stage)?;

    owner.heroku(&["apps:destroy", "--app", "apps-second", "--confirm", "other"])?.fails()?;
    owner.heroku(&["apps:destroy", "--app", "apps-second", "--confirm", "apps-second"])?.ok()?;
    owner.heroku(&["apps"])?.ok()?.does_not_say("apps-second")?;
    Ok(())
}

fn opens_the_browser(stage: &Stage) -> anyhow::Result<()> {
    let owner = stage.owner()?;
    let browser = owner.folder("browser");
    let opened = owner.folder("opened");
    std::fs::write(&browser, format!("#!/bin/sh\nprintf '%s' \"$1\" > {}\n", opened.display()))?;
    std::fs::set_permissions(&browser, PermissionsExt::from_mode(0o755))?;
    let owner = owner.and("BROWSER", &browser.to_string_lossy());
    owner.heroku(&["apps:open", "/page", "--app", "apps-second"])?.ok()?.says("apps-second.localhost")?;
    eventually(PATIENCE, || {
        let url = std::fs::read_to_string(&opened)?;
        ensure!(url.contains("apps-second.localhost") && url.ends_with("/page"), "opened was `{url}`");
        Ok(())
    })
}

pub(crate) fn found_by_remote(stage: &Stage) -> anyhow::Result<()> {
    let server = stage.server()?;
    let owner = stage.owner()?;
    owner.heroku(&["apps:create", "apps-remote"])?.ok()?;
    let repository = Repository::of(&owner, "probe", "code")?;
    repository.heroku(&["config"])?.fails()?;
    repository.heroku(&["git:remote", "--app", "apps-remote"])?.ok()?;
    repository.git(&["remote", "--verbose"])?.ok()?.says(&format!("{}/apps-remote.git", server.url()))?;
    repository.heroku(&["config"])?.ok()?.says("apps-remote")?;
    Ok(())
}
