//! The data directory: one server at a time, and what clients on this machine
//! read from it.

use std::fs::{self, File, TryLockError};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde::Serialize;

/// A data directory that this process alone serves, until dropped.
pub(crate) struct DataDir {
    path: PathBuf,
    _lock: File,
}

/// What other users of the machine may do in each folder: git's own user passes
/// through `run` and `git`, everyone may read our CA; the rest is nobody's business.
const FOLDERS: [(&str, u32); 8] = [
    ("run", 0o711),
    ("git", 0o711),
    ("tls", 0o755),
    ("keys", 0o700),
    ("blobs", 0o700),
    ("logs", 0o700),
    ("sources", 0o700),
    ("transcripts", 0o700),
];

impl DataDir {
    /// Makes the directory if need be and locks it.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        fs::create_dir_all(path).with_context(|| format!("could not make the data directory {shown}"))?;
        let path = path.canonicalize().with_context(|| format!("could not find the data directory {shown}"))?;
        // Dynos' processes pass through on their way to layers and homes, but list nothing.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o711))
            .with_context(|| format!("could not set the permissions of {shown}; is it yours?"))?;
        for (name, mode) in FOLDERS {
            let dir = path.join(name);
            if !dir.is_dir() {
                fs::DirBuilder::new()
                    .mode(mode)
                    .create(&dir)
                    .with_context(|| format!("could not make {}", dir.display()))?;
            }
        }
        let lock = File::create(path.join("run/server.lock")).context("could not make the lock file")?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path, _lock: lock }),
            Err(TryLockError::WouldBlock) => {
                bail!("another server runs on {shown}; stop it first, or choose another --data-dir")
            }
            Err(TryLockError::Error(error)) => Err(error).context("could not lock the data directory"),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Tells the commands of this machine where the server is.
    pub(crate) fn announce(&self, listen: &[SocketAddr], url: &str) -> anyhow::Result<()> {
        #[derive(Serialize)]
        struct Announcement<'a> {
            pid: u32,
            listen: Vec<String>,
            url: &'a str,
        }
        let announcement =
            Announcement { pid: std::process::id(), listen: listen.iter().map(ToString::to_string).collect(), url };
        write_whole(&self.join("run/server.json"), &serde_json::to_vec_pretty(&announcement)?, 0o644)
    }
}

/// Writes a file so that a reader finds the old content or the new, never a part.
pub(crate) fn write_whole(path: &Path, content: &[u8], mode: u32) -> anyhow::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;

    let write = || -> std::io::Result<()> {
        let temporary = path.with_extension("new");
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&temporary)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    write().with_context(|| format!("could not write {}", path.display()))
}
