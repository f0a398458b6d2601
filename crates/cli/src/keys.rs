//! `renga keys:rotate`: a new key for config vars.

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, bail};
use api_types::housekeeping::KeyRotation;
use serde_json::{Value, json};

use crate::api::{Api, typed};
use crate::server::ServerArgs;
use crate::table::{JsonArg, print_json};

#[derive(Debug, clap::Args)]
pub struct RotateArgs {
    #[command(flatten)]
    server: ServerArgs,
    #[command(flatten)]
    json: JsonArg,
}

/// Shows how it gets on, on stderr.
pub(crate) fn rotate(args: &RotateArgs) -> anyhow::Result<ExitCode> {
    let api = Api::of(args.server.find()?)?;
    let mut last = Value::Null;
    api.post_lines("/renga/keys/rotate", &json!({}), |line| {
        let progress: KeyRotation = typed(&line)?;
        if !args.json.json {
            let KeyRotation { key, resealed, left, .. } = progress;
            eprintln!("Sealed {resealed} sets of config vars with the key {key}, {left} to go");
        }
        last = line;
        Ok(())
    })?;
    let end: KeyRotation = typed(&last).context("the server's answer broke off")?;
    if let Some(problem) = end.problem {
        bail!("the rotation did not come to its end: {problem}");
    }
    if args.json.json {
        print_json(&last)?;
    } else {
        let text = "Make a backup now: older backups hold older keys.";
        writeln!(std::io::stdout(), "Dropped {} older keys. {text}", end.dropped.len())?;
    }
    Ok(ExitCode::SUCCESS)
}
