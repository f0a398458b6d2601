//! `renga heroku -- ARGS`: the official CLI with the right environment.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use anyhow::{anyhow, bail};

use crate::connect;
use crate::environment;
use crate::server::ServerArgs;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    server: ServerArgs,
    /// What the CLI is to do
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
    arguments: Vec<OsString>,
}

/// On this machine the CLI takes this process's place. To a far server it goes
/// through a local port, for as long as it runs: it trusts that only.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let server = args.server.find()?;
    let mut heroku = Command::new("heroku");
    heroku.args(&args.arguments);
    if server.url.is_loopback() {
        let error = heroku.envs(environment::of(&server, None)?).exec();
        return Err(unstarted(error));
    }
    let port = connect::in_background(&server.url)?;
    let status = heroku.envs(environment::of(&server, Some(port))?).status().map_err(unstarted)?;
    let Some(code) = status.code() else { bail!("the official CLI was ended: {status}") };
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)))
}

fn unstarted(error: std::io::Error) -> anyhow::Error {
    match error.kind() {
        ErrorKind::NotFound => anyhow!(
            "the official CLI is not on your PATH; install it with `npm install --global heroku@11` (it needs Node \
             20 or later)"
        ),
        _ => anyhow!("could not start the official CLI: {error}"),
    }
}
