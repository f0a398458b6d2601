//! `renga env`: the variables as lines for a shell's `eval`.

use std::io::Write;
use std::process::ExitCode;

use crate::environment::{self, quoted};
use crate::server::ServerArgs;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The port of `renga connect`, for a far server
    #[arg(long, value_name = "PORT")]
    through: Option<u16>,
    #[command(flatten)]
    server: ServerArgs,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let variables = environment::of(&args.server.find()?, args.through)?;
    let lines: String = variables.iter().map(|(name, value)| format!("export {name}={}\n", quoted(value))).collect();
    std::io::stdout().write_all(lines.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
