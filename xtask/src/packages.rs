//! The system's packages: says which are missing, and installs them where that
//! is possible.

use std::path::Path;
use std::process::Command;

use anyhow::bail;
use stack::HostPackage;

use crate::privilege::as_root;
use crate::steps::run;

/// What the server calls, beside what stacks and builds need.
const OF_SERVER: [HostPackage; 4] = [
    HostPackage { package: "git", brings: "git", purpose: "takes in pushes" },
    HostPackage { package: "iproute2", brings: "ip", purpose: "shows and mends dynos' networks" },
    HostPackage { package: "nftables", brings: "nft", purpose: "walls dynos off" },
    HostPackage {
        package: "ca-certificates",
        brings: "/etc/ssl/certs/ca-certificates.crt",
        purpose: "says which servers builds may trust",
    },
];

/// What the server needs to run, installed.
pub(crate) fn for_server() -> anyhow::Result<()> {
    let mut missing = stack::missing_packages();
    missing.extend(OF_SERVER.into_iter().filter(|package| !is_there(package.brings)));
    install(&missing)
}

/// Names each package before it is installed.
pub(crate) fn install(missing: &[HostPackage]) -> anyhow::Result<()> {
    if missing.is_empty() {
        return Ok(());
    }
    eprintln!("==> These packages are missing:");
    for HostPackage { package, purpose, .. } in missing {
        eprintln!("    {package}: {purpose}");
    }
    let names: Vec<&str> = missing.iter().map(|package| package.package).collect();
    if !is_there("apt-get") {
        bail!(
            "this system has no apt: install what brings these programs by its own means ({}), then run this again",
            missing.iter().map(|package| package.brings).collect::<Vec<_>>().join(", ")
        );
    }
    let no_lists = std::fs::read_dir("/var/lib/apt/lists").map_or(0, Iterator::count) < 4;
    if no_lists {
        run(&mut apt(&["update"]))?;
    }
    let wish = |names: &[&str]| apt(&[&["install", "--yes", "--no-install-recommends"], names].concat());
    if run(&mut wish(&names)).is_err() {
        // The lists may be old: packages that they name are gone then.
        run(&mut apt(&["update"]))?;
        run(&mut wish(&names))?;
    }
    Ok(())
}

fn apt(arguments: &[&str]) -> Command {
    let mut command = as_root("env");
    command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq"]).args(arguments);
    command
}

/// Whether a program, or a file given by its path, is on this machine.
pub(crate) fn is_there(brings: &str) -> bool {
    if brings.starts_with('/') {
        return Path::new(brings).exists();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders.into_iter().any(|folder| folder.join(brings).is_file())
}
