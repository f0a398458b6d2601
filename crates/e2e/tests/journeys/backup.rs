//! A platform is lost and comes back.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, ensure};

use crate::stage::{Stage, deployed};

pub(crate) fn under_load_and_back(stage: &Stage) -> anyhow::Result<()> {
    let server = stage.server_of_its_own()?;
    let owner = stage.owner_of(&server)?;
    let app = deployed(&server, &owner, "backup-app")?;
    app.heroku(&["config:set", "PLANTED=seed"])?.ok()?;
    let archive = owner.home().join("backup.tar");
    let archive = archive.to_string_lossy();

    // Requests and config changes go on while it is made.
    let is_done = AtomicBool::new(false);
    let (made, load) = std::thread::scope(|scope| {
        let requests = scope.spawn(|| -> anyhow::Result<u32> {
            let mut count = 0;
            while !is_done.load(Ordering::Relaxed) || count < 20 {
                ensure!(server.app("backup-app", "/")?.status == 200, "a request failed during the backup");
                count += 1;
            }
            Ok(count)
        });
        let changes = scope.spawn(|| app.heroku(&["config:set", "DURING=backup"])?.ok());
        let made = server.renga(&["backup", "create", &archive, "--json"]);
        is_done.store(true, Ordering::Relaxed);
        let load = requests.join().map_err(|_| anyhow::anyhow!("the requests panicked"));
        (made, load.and_then(|count| count).map(|count| (count, changes.join().is_ok())))
    });
    let made = made?.ok()?.json()?;
    let (requests, changed) = load?;
    ensure!(requests > 0 && changed, "there was no load");
    ensure!(made["apps"] == 1 && made["repositories"] == 1 && made["lost_images"] == serde_json::json!([]), "{made}");
    app.heroku(&["apps:destroy", "--confirm", "backup-app"])?.ok()?;

    let program = server.program().to_string_lossy().into_owned();
    owner.run_in(owner.home(), &program, &["backup", "verify", &archive])?.ok()?.says("1 apps")?;
    let mut other = stage.server_to_be()?;
    other.renga(&["backup", "restore", &archive])?.ok()?.says("Start it")?;
    other.renga(&["backup", "restore", &archive])?.fails()?.says("is not empty")?;
    other.start_again()?;
    other.app_says("backup-app", "/", "version one")?;

    // The same owner with the same key, and the same secrets; pushes go on.
    let owner = stage.owner_of(&other)?;
    let config = owner.heroku(&["config:get", "PLANTED", "--app", "backup-app"])?.ok()?;
    ensure!(config.stdout.trim() == "seed", "{config}");
    let again = e2e::Repository::of(&owner, "probe", "backup-app")?;
    again.heroku(&["git:remote", "--app", "backup-app"])?.ok()?;
    again.git(&["fetch", "heroku"])?.ok()?;
    again.git(&["reset", "--soft", "heroku/main"])?.ok()?;
    again.change("VERSION", "two\n").context("the probe has a version")?;
    again.push()?.ok()?;
    other.app_says("backup-app", "/", "version two")?;
    Ok(())
}
