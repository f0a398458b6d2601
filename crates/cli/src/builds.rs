//! `renga builds` and its kin, and the output of a build as it grows.

use std::io::{Read, Write};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use api_types::build::Build;
use serde_json::Value;

use crate::api::typed;
use crate::app::{App, AppArgs};
use crate::moment::moment;
use crate::table::{JsonArg, Table, print_json};

#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// How many
    #[arg(long, short, default_value_t = 10)]
    num: usize,
    #[command(flatten)]
    json: JsonArg,
    #[command(flatten)]
    app: AppArgs,
}

pub(crate) fn list(args: &ListArgs) -> anyhow::Result<ExitCode> {
    let app = args.app.find()?;
    let answer = app.latest("/builds", "started_at", args.num.max(1))?;
    if args.json.json {
        print_json(&Value::Array(answer))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new(&["BUILD", "STATUS", "WHEN", "BY", "VERSION"]);
    for build in &answer {
        let build: Build = typed(build)?;
        let version = build.source_blob.version.unwrap_or_default();
        let user = build.user.email.to_string();
        table.row([build.id.to_string(), build.status, moment(build.created_at), user, version]);
    }
    table.print(&format!("{} was never built; deploy it: renga push", app.name))?;
    Ok(ExitCode::SUCCESS)
}

#[derive(Debug, clap::Args)]
pub struct BuildArgs {
    /// Its id [default: the latest that goes on]
    build: Option<String>,
    #[command(flatten)]
    app: AppArgs,
}

pub(crate) fn cancel(args: &BuildArgs) -> anyhow::Result<ExitCode> {
    let app = args.app.find()?;
    let id = match &args.build {
        Some(id) => id.clone(),
        None => {
            let builds = app.latest("/builds", "started_at", 20)?;
            let builds: Vec<Build> = builds.iter().map(typed).collect::<Result<_, _>>()?;
            let pending = builds.iter().find(|build| build.status == "pending");
            pending.with_context(|| format!("no build of {} goes on", app.name))?.id.to_string()
        }
    };
    app.delete(&format!("/builds/{}", crate::app::encoded(&id)))?;
    println!("Cancelled the build {id} of {}", app.name);
    Ok(ExitCode::SUCCESS)
}

/// `renga builds:output`: what a build said, to its end if it goes on.
pub(crate) fn output(args: &BuildArgs) -> anyhow::Result<ExitCode> {
    let app = args.app.find()?;
    let build: Build = match &args.build {
        Some(id) => typed(&app.get(&format!("/builds/{}", crate::app::encoded(id)))?)?,
        None => {
            let latest = app.latest("/builds", "started_at", 1)?;
            typed(latest.first().with_context(|| format!("{} was never built", app.name))?)?
        }
    };
    follow(&app, &build)
}

/// Shows the output of a build to its end; succeeds if the build does.
pub(crate) fn follow(app: &App, build: &Build) -> anyhow::Result<ExitCode> {
    let mut output = app.api.stream(&build.output_stream_url, &[])?;
    let mut stdout = std::io::stdout().lock();
    let mut buffer = vec![0; 16 * 1024];
    loop {
        match output.read(&mut buffer).context("the build's output broke off; see `renga builds`")? {
            0 => break,
            count => {
                stdout.write_all(&buffer[..count])?;
                stdout.flush()?;
            }
        }
    }
    match outcome(app, build)?.status.as_str() {
        "succeeded" => Ok(ExitCode::SUCCESS),
        _ => bail!("the build failed; {} is as it was", app.name),
    }
}

/// The output ends a moment before the build's row says how.
fn outcome(app: &App, build: &Build) -> anyhow::Result<Build> {
    const ASKED: u32 = 100;
    const PAUSE: Duration = Duration::from_millis(100);
    for _ in 0..ASKED {
        let build: Build = typed(&app.get(&format!("/builds/{}", build.id))?)?;
        if build.status != "pending" {
            return Ok(build);
        }
        std::thread::sleep(PAUSE);
    }
    bail!("the build said its last word and goes on nevertheless; see `renga builds`")
}
