//! The system's store, as Debian, Ubuntu and Fedora have it: a folder for
//! certificates of one's own, and a program that makes bundles of it.

use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

use super::Authority;

/// Folder and program of each kind of distribution.
const KNOWN: [(&str, &[&str]); 2] = [
    ("/usr/local/share/ca-certificates", &["update-ca-certificates"]),
    ("/etc/pki/ca-trust/source/anchors", &["update-ca-trust", "extract"]),
];

pub(super) struct SystemStore {
    folder: PathBuf,
    /// What makes the change known; empty for a folder that is nobody's store.
    update: &'static [&'static str],
}

impl SystemStore {
    pub(super) fn of_machine() -> anyhow::Result<Self> {
        let known = KNOWN.iter().find(|(folder, _)| Path::new(folder).is_dir());
        let (folder, update) = known.context(
            "this machine has no store of certificates that Renga knows (on Debian and Ubuntu: apt install \
             ca-certificates)",
        )?;
        Ok(Self { folder: PathBuf::from(folder), update })
    }

    pub(super) fn folder(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), update: &[] }
    }

    pub(super) fn file(&self, authority: &Authority) -> PathBuf {
        self.folder.join(format!("{}.crt", authority.name))
    }

    pub(super) fn then(&self) -> String {
        if self.update.is_empty() { String::new() } else { format!(", then run {}", self.update.join(" ")) }
    }

    pub(super) fn install(&self, authority: &Authority) -> anyhow::Result<()> {
        let path = self.file(authority);
        std::fs::create_dir_all(&self.folder)
            .and_then(|()| std::fs::write(&path, &authority.pem))
            .and_then(|()| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)))
            .with_context(|| format!("could not write `{}`", path.display()))?;
        self.refresh()
    }

    pub(super) fn remove(&self, authority: &Authority) -> anyhow::Result<()> {
        let path = self.file(authority);
        match std::fs::remove_file(&path) {
            Ok(()) => self.refresh(),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                eprintln!("note: `{}` was not there", path.display());
                Ok(())
            }
            Err(error) => Err(error).with_context(|| format!("could not remove `{}`", path.display())),
        }
    }

    fn refresh(&self) -> anyhow::Result<()> {
        let Some((program, arguments)) = self.update.split_first() else { return Ok(()) };
        let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
        let output = output.with_context(|| format!("could not start {program}"))?;
        if !output.status.success() {
            bail!("{program} failed: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_installed_is_removed_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let store = SystemStore::folder(&dir.path().join("store"));
        let authority = Authority { pem: b"certificate".to_vec(), name: "renga-0123".to_owned() };
        store.install(&authority).unwrap();
        let other = dir.path().join("store/other.crt");
        std::fs::write(&other, "").unwrap();
        assert_eq!(std::fs::read(store.file(&authority)).unwrap(), b"certificate");
        store.remove(&authority).unwrap();
        store.remove(&authority).unwrap();
        assert!(!store.file(&authority).exists() && other.exists());
    }
}
