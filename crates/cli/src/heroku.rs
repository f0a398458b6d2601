//! `renga heroku -- ARGS`: the official CLI with the right environment.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use anyhow::{Context, bail};

use crate::data_dir::DataDirArg;
use crate::environment;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    data_dir: DataDirArg,
    /// What the CLI is to do
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
    arguments: Vec<OsString>,
}

/// Returns only if the CLI could not be started: it takes this process's place.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let variables = environment::of(&args.data_dir.open()?)?;
    let error = Command::new("heroku").args(&args.arguments).envs(variables).exec();
    if error.kind() == ErrorKind::NotFound {
        bail!(
            "the official CLI is not on your PATH; install it with `npm install --global heroku@11` (it needs Node \
             20 or later)"
        );
    }
    Err(error).context("could not start the official CLI")
}
