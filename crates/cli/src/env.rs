//! `renga env`: the variables as lines for a shell's `eval`.

use std::io::Write;
use std::process::ExitCode;

use crate::data_dir::DataDirArg;
use crate::environment::{self, quoted};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    data_dir: DataDirArg,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let variables = environment::of(&args.data_dir.open()?)?;
    let lines: String = variables.iter().map(|(name, value)| format!("export {name}={}\n", quoted(value))).collect();
    std::io::stdout().write_all(lines.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
