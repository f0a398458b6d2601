//! What journeys need beside the system's packages: the official CLI, and a
//! Node that is recent enough for it, both from the npm registry, into
//! `target/tools`.

use std::path::Path;
use std::process::Command;

use anyhow::Context;
use e2e::Tools;
use stack::HostPackage;

use crate::packages;
use crate::steps::{Step, run};

const CLI: &str = "heroku@11";
const OLDEST_NODE: u32 = 20;
const NODE_MAJOR: u32 = 22;

/// Installs what is not there yet.
pub(crate) fn for_journeys() -> anyhow::Result<()> {
    let has_cli = Tools::folder().join("heroku/node_modules/.bin/heroku").exists();
    let has_node = Tools::node_folder().is_dir() || node_of_machine().is_some_and(|major| major >= OLDEST_NODE);
    if has_cli && has_node {
        return Ok(());
    }
    let step = Step::begin("Getting the official CLI (once)");
    if !packages::is_there("npm") {
        packages::install(&[HostPackage { package: "npm", brings: "npm", purpose: "gets the official CLI" }])?;
    }
    if !has_node {
        let folder = Tools::node_folder();
        let package = folder.parent().and_then(Path::file_name).context("Node's folder has no name")?;
        npm_install("node", &format!("{}@{NODE_MAJOR}", package.to_string_lossy()))?;
    }
    if !has_cli {
        npm_install("heroku", CLI)?;
    }
    step.done();
    Ok(())
}

fn node_of_machine() -> Option<u32> {
    let output = Command::new("node").arg("--version").output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().strip_prefix('v')?.split('.').next()?.parse().ok()
}

fn npm_install(folder: &str, package: &str) -> anyhow::Result<()> {
    let folder = Tools::folder().join(folder);
    std::fs::create_dir_all(&folder)?;
    // Nothing of these packages has to run at installation.
    run(Command::new("npm")
        .args(["install", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error", "--prefix", "."])
        .arg(package)
        .current_dir(folder))
}
