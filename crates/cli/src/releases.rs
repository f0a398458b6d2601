//! `renga releases` and `rollback`.

use std::process::ExitCode;

use anyhow::{Context, bail};
use api_types::release::Release;
use serde_json::{Value, json};

use crate::api::typed;
use crate::app::AppArgs;
use crate::moment::moment;
use crate::table::{JsonArg, Table, print_json};

#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// How many
    #[arg(long, short, default_value_t = 15)]
    num: usize,
    #[command(flatten)]
    json: JsonArg,
    #[command(flatten)]
    app: AppArgs,
}

pub(crate) fn list(args: &ListArgs) -> anyhow::Result<ExitCode> {
    let app = args.app.find()?;
    let answer = app.latest("/releases", "version", args.num.max(1))?;
    if args.json.json {
        print_json(&Value::Array(answer))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new(&["RELEASE", "STATUS", "WHEN", "BY", "WHAT"]);
    for release in &answer {
        let release: Release = typed(release)?;
        let status = if release.current { "current".to_owned() } else { release.status };
        let when = moment(release.created_at);
        table.row([format!("v{}", release.version), status, when, release.user.email.to_string(), release.description]);
    }
    table.print(&format!("{} has no releases", app.name))?;
    Ok(ExitCode::SUCCESS)
}

#[derive(Debug, clap::Args)]
pub struct RollbackArgs {
    /// v12 or 12; without one, the release before the current one
    release: Option<String>,
    #[command(flatten)]
    app: AppArgs,
}

pub(crate) fn rollback(args: &RollbackArgs) -> anyhow::Result<ExitCode> {
    const LOOKED_AT: usize = 100;
    let app = args.app.find()?;
    let version = match &args.release {
        Some(text) => match text.strip_prefix('v').unwrap_or(text).parse::<u32>() {
            Ok(version) => version,
            Err(_) => bail!("`{text}` is no release: write it as v12; `renga releases` lists them"),
        },
        None => {
            let releases = app.latest("/releases", "version", LOOKED_AT)?;
            let releases: Vec<Release> = releases.iter().map(typed).collect::<Result<_, _>>()?;
            before_current(&releases).context("there is no earlier release with code to roll back to")?
        }
    };
    let target: Release = typed(&app.get(&format!("/releases/{version}"))?)?;
    let answer = app.post("/releases", &json!({ "release": target.id }))?;
    let made: Release = typed(&answer)?;
    println!("Rolled {} back to v{version}: released as v{}", app.name, made.version);
    println!("Code and config vars are those of v{version} again.");
    Ok(ExitCode::SUCCESS)
}

/// The latest release before the current one that may be rolled back to.
fn before_current(releases: &[Release]) -> Option<u32> {
    let current = releases.iter().find(|release| release.current)?.version;
    let earlier = releases.iter().filter(|release| release.version < current && release.eligible_for_rollback);
    earlier.map(|release| release.version).max()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(version: u32, current: bool, eligible: bool) -> Release {
        let text = json!({
            "addon_plan_names": [], "app": { "id": uuid(), "name": "shop" }, "artifacts": [],
            "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z", "current": current,
            "description": "Deploy", "eligible_for_rollback": eligible, "id": uuid(), "output_stream_url": null,
            "slug": null, "status": "succeeded", "user": { "id": uuid(), "email": "ada@example.com" },
            "version": version,
        });
        typed(&text).unwrap()
    }

    fn uuid() -> &'static str {
        "01234567-89ab-4cde-8f01-23456789abcd"
    }

    #[test]
    fn without_a_version_the_latest_good_one_before_the_current_is_meant() {
        let releases =
            [release(5, true, true), release(4, false, false), release(3, false, true), release(2, false, true)];
        assert_eq!(before_current(&releases), Some(3));
        assert_eq!(before_current(&releases[..2]), None);
    }
}
