//! `renga disk`: what takes how much of the server's disk.

use std::io::Write;
use std::process::ExitCode;

use api_types::housekeeping::Disk;
use domain::ByteCount;

use crate::api::{Api, typed};
use crate::server::ServerArgs;
use crate::table::{JsonArg, print_json};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    server: ServerArgs,
    #[command(flatten)]
    json: JsonArg,
}

/// The largest first.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let answer = Api::of(args.server.find()?)?.get("/renga/disk")?;
    if args.json.json {
        print_json(&answer)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut disk: Disk = typed(&answer)?;
    disk.uses.sort_by_key(|one| std::cmp::Reverse(one.bytes));
    let mut out = std::io::stdout().lock();
    for one in disk.uses {
        writeln!(out, "{:>10}  {:>7} files  {}", ByteCount(one.bytes), one.files, one.name)?;
    }
    let (free, total) = (ByteCount(disk.available_bytes), ByteCount(disk.total_bytes));
    writeln!(out, "{free:>10}  free of {total}; `renga gc --dry-run` tells what can be removed")?;
    Ok(ExitCode::SUCCESS)
}
