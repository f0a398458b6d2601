//! `renga doctor`: what Renga needs of the machine, what is missing, and how to
//! mend each. It changes nothing.

mod check;
mod kernel;
mod machine;
mod settings;

use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;

use self::check::{Check, Status};
pub use self::machine::is_healthy;
use crate::server::DataDirArg;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    data_dir: DataDirArg,
    /// Where the machine's stacks lie [env: RENGA_STACK_DIR] [default: as the settings say]
    #[arg(long, value_name = "DIR")]
    stack_dir: Option<PathBuf>,
    /// The address that a server would listen on [default: as the settings say]
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Print a JSON list
    #[arg(long)]
    json: bool,
}

/// Fails (exit code 1) if something is missing without which Renga can't work.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let data_dir = args.data_dir.path();
    let (configuration, settings) = settings::read()?;
    let stack_dir = args.stack_dir.as_ref().unwrap_or(&configuration.stack_dir);
    let listen = args.listen.map_or(configuration.listen.0.clone(), |address| vec![address]);
    let mut checks = kernel::checks();
    checks.extend(machine::packages());
    checks.push(settings);
    checks.push(machine::disk("disk.data", &data_dir));
    checks.push(machine::disk("disk.stacks", stack_dir));
    checks.push(machine::stack(stack_dir));
    checks.push(machine::server(&data_dir, &listen));
    checks.push(machine::localhost_names());
    checks.extend(settings::domain_names(&configuration));
    checks.push(machine::official_cli());

    let mut out = std::io::stdout().lock();
    if args.json {
        let text = serde_json::to_string_pretty(&checks).context("could not write the findings as JSON")?;
        writeln!(out, "{text}")?;
    } else {
        let colours = out.is_terminal() && std::env::var_os("NO_COLOR").is_none();
        out.write_all(report(&checks, colours).as_bytes())?;
    }
    let failed = checks.iter().any(|check| check.status == Status::Failure);
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn report(checks: &[Check], colours: bool) -> String {
    let width = checks.iter().map(|check| check.id.len()).max().unwrap_or_default();
    let mut text = String::new();
    for check in checks {
        let (word, colour) = match check.status {
            Status::Ok => ("ok     ", "32"),
            Status::Warning => ("warning", "33"),
            Status::Failure => ("missing", "31"),
        };
        let word = if colours { format!("\x1b[{colour}m{word}\x1b[0m") } else { word.to_owned() };
        text += &format!("{word}  {:width$}  {}\n", check.id, check.found);
        if let Some(mend) = &check.mend {
            text += &format!("{:9}{:width$}  -> {mend}\n", "", "");
        }
    }
    let count = |status| checks.iter().filter(|check| check.status == status).count();
    text += &match (count(Status::Failure), count(Status::Warning)) {
        (0, 0) => "All is well.\n".to_owned(),
        (0, warnings) => format!("Renga can work here. Warnings: {warnings}.\n"),
        (failures, warnings) => format!("Missing: {failures}. Warnings: {warnings}.\n"),
    };
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_finding_that_is_not_well_says_how_to_mend_it() {
        let checks = [
            Check::ok("kernel.release", "Linux 6.18"),
            Check::failure("package.nftables", "`nft` is not installed", "apt-get install nftables"),
        ];
        let expected = "ok       kernel.release    Linux 6.18\n\
                        missing  package.nftables  `nft` is not installed\n\
                        \u{20}                          -> apt-get install nftables\n\
                        Missing: 1. Warnings: 0.\n";
        assert_eq!(report(&checks, false), expected);
        assert!(report(&checks, true).contains("\x1b[31mmissing\x1b[0m"));
    }
}
