//! The stores of browsers: NSS databases, changed with its own `certutil`.

use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context, bail};

use super::Authority;

/// Chromium and its like have one, Firefox one in each profile; snaps and
/// flatpaks have theirs in homes of their own.
const CHROMIUM: [&str; 2] = [".pki/nssdb", "snap/chromium/current/.pki/nssdb"];
const FIREFOX: [&str; 3] =
    [".mozilla/firefox", "snap/firefox/common/.mozilla/firefox", ".var/app/org.mozilla.firefox/.mozilla/firefox"];

pub(super) struct Databases(Vec<PathBuf>);

impl Databases {
    /// Those in a home; `None` if there is none that could be changed.
    pub(super) fn of(home: &Path) -> anyhow::Result<Option<Self>> {
        let mut found: Vec<PathBuf> = CHROMIUM.iter().map(|place| home.join(place)).collect();
        for profiles in FIREFOX.iter().map(|place| home.join(place)) {
            let Ok(entries) = std::fs::read_dir(&profiles) else { continue };
            for entry in entries {
                let entry = entry.with_context(|| format!("could not list `{}`", profiles.display()))?;
                found.push(entry.path());
            }
        }
        found.retain(|folder| folder.join("cert9.db").is_file());
        found.sort();
        if found.is_empty() {
            return Ok(None);
        }
        if !certutil_is_there() {
            eprintln!(
                "note: your browsers have stores of their own; to change them, install certutil (package libnss3-tools)"
            );
            return Ok(None);
        }
        Ok(Some(Self(found)))
    }

    pub(super) fn install(&self, authority: &Authority) -> anyhow::Result<()> {
        for folder in &self.0 {
            let output = certutil(folder, &["-A", "-t", "C,,", "-n", &authority.name, "-a"], &authority.pem)?;
            if !output.status.success() {
                bail!("certutil could not change `{}`: {}", folder.display(), said(&output));
            }
        }
        Ok(())
    }

    pub(super) fn remove(&self, authority: &Authority) -> anyhow::Result<()> {
        for folder in &self.0 {
            if !certutil(folder, &["-L", "-n", &authority.name], b"")?.status.success() {
                eprintln!("note: it was not in `{}`", folder.display());
                continue;
            }
            let output = certutil(folder, &["-D", "-n", &authority.name], b"")?;
            if !output.status.success() {
                bail!("certutil could not change `{}`: {}", folder.display(), said(&output));
            }
        }
        Ok(())
    }
}

impl fmt::Display for Databases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: Vec<String> = self.0.iter().map(|folder| format!("`{}`", folder.display())).collect();
        f.write_str(&shown.join(", "))
    }
}

fn certutil_is_there() -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join("certutil").is_file())
}

fn certutil(folder: &Path, arguments: &[&str], input: &[u8]) -> anyhow::Result<Output> {
    let mut database = std::ffi::OsString::from("sql:");
    database.push(folder);
    let mut child = Command::new("certutil")
        .arg("-d")
        .arg(database)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("could not start certutil")?;
    if let Some(mut stdin) = child.stdin.take()
        && !input.is_empty()
    {
        stdin.write_all(input).context("certutil takes no certificate")?;
    }
    child.wait_with_output().context("could not wait for certutil")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_without_browsers_has_no_stores() {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(home.path().join(".mozilla/firefox/Crash Reports")).unwrap();
        std::fs::create_dir_all(home.path().join(".pki/nssdb")).unwrap();
        assert!(Databases::of(home.path()).unwrap().is_none());
    }
}
