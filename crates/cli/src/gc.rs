//! `renga gc`: collect what nothing needs any more.

use std::io::Write;
use std::process::ExitCode;

use api_types::housekeeping::CollectedGarbage;
use domain::ByteCount;
use serde_json::{Value, json};

use crate::api::{Api, typed};
use crate::server::ServerArgs;
use crate::table::{JsonArg, print_json};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    server: ServerArgs,
    /// Show what would be removed, and remove nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    json: JsonArg,
}

/// What a kind is, for those who read it.
fn meaning(kind: &str) -> &str {
    match kind {
        "releases" => "releases that expire",
        "apps" => "destroyed apps",
        "transcripts" => "outputs of old builds and release commands",
        "caches" => "build caches beyond the limit",
        "blobs" => "parts of slugs",
        "images" => "images that no dyno uses",
        "stacks" => "older versions of stacks",
        "leftovers" => "leftovers of interrupted work",
        other => other,
    }
}

/// Shows each kind when it is done. Fails if one could not be collected.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let api = Api::of(args.server.find()?)?;
    let mut out = std::io::stdout().lock();
    let (mut kinds, mut bytes, mut problems) = (Vec::new(), 0, 0);
    api.post_lines("/renga/gc", &json!({ "dry_run": args.dry_run }), |line| {
        let kind: CollectedGarbage = typed(&line)?;
        bytes += kind.bytes;
        let what = meaning(&kind.kind);
        if let Some(problem) = &kind.problem {
            problems += 1;
            eprintln!(" !     {what}: {problem}");
        } else if !args.json.json {
            writeln!(out, "{:>10}  {:>6}  {what}", ByteCount(kind.bytes), kind.items)?;
        }
        kinds.push(line);
        Ok(())
    })?;
    if args.json.json {
        print_json(&Value::Array(kinds))?;
    } else {
        let done = if args.dry_run { "could be freed" } else { "freed" };
        writeln!(out, "{:>10}  {done}", ByteCount(bytes))?;
    }
    Ok(if problems == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
