//! What a server leaves on the disk of its machine, and the doctor.

use std::os::unix::fs::PermissionsExt;

use anyhow::{Context, ensure};

use crate::stage::Stage;

pub(crate) fn keys_and_doctor(stage: &Stage) -> anyhow::Result<()> {
    let server = stage.server()?;
    let owner_file = server.data_dir().join("keys/owner.json");
    let mode = std::fs::metadata(&owner_file)?.permissions().mode() & 0o777;
    ensure!(mode == 0o600, "keys/owner.json has mode {mode:o}");
    let keys = std::fs::metadata(server.data_dir().join("keys"))?.permissions().mode() & 0o777;
    ensure!(keys == 0o700, "keys/ has mode {keys:o}");

    let owner = stage.owner()?;
    let key = owner.heroku(&["auth:token"])?.ok()?.stdout.trim().to_owned();
    ensure!(!server.log().contains(&key), "the owner's key is in the server's log");
    let database = std::fs::read(server.data_dir().join("renga.db"))?;
    ensure!(!database.windows(key.len()).any(|window| window == key.as_bytes()), "the key is in the database");

    let doctor = server.renga(&["doctor", "--json"])?;
    let checks = doctor.json()?;
    let checks = checks.as_array().context("no list")?;
    ensure!(checks.len() > 10, "{doctor}");
    let running = checks.iter().find(|check| check["id"] == "server").context("no word on the server")?;
    ensure!(running["status"] == "ok", "{running}");
    server.renga(&["doctor"])?.says("server")?;

    let data_dir = server.data_dir().to_string_lossy().into_owned();
    let program = server.program().to_string_lossy().into_owned();
    let stranger = stage.stranger()?;
    stranger
        .run_in(stranger.home(), &program, &["heroku", "--data-dir", &data_dir, "--", "auth:whoami"])?
        .ok()?
        .says("@")?;
    Ok(())
}
