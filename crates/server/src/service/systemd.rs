//! What systemd is asked and told.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};

pub(super) const UNIT: &str = "renga.service";

/// Whether systemd is this machine's first process.
pub(super) fn runs() -> bool {
    Path::new("/run/systemd/system").is_dir()
}

/// `systemctl WORDS`; its own words are the error.
pub(super) fn systemctl(words: &[&str]) -> anyhow::Result<()> {
    let output = Command::new("systemctl").args(words).output().context("could not start systemctl")?;
    if !output.status.success() {
        bail!("systemctl {}: {}", words.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

/// What systemd knows of the service.
pub(super) fn properties(names: &[&str]) -> anyhow::Result<BTreeMap<String, String>> {
    let output = Command::new("systemctl")
        .args(["show", UNIT, "--property", &names.join(",")])
        .output()
        .context("could not start systemctl")?;
    if !output.status.success() {
        bail!("systemctl show: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(text.lines().filter_map(|line| line.split_once('=')).map(|(name, value)| (name.into(), value.into())).collect())
}

/// The service's last words.
pub(super) fn last_lines(count: u32) -> String {
    let output = Command::new("journalctl")
        .args(["--unit", UNIT, "--no-pager", "--output", "cat", "-n", &count.to_string()])
        .output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
}
