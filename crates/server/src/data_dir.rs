//! The data directory: one server at a time, and what clients on this machine
//! read from it.

use std::ffi::OsStr;
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

/// Made first of all: a directory that holds it is one of ours.
const LOCK: &str = "run/server.lock";

fn is_ours(path: &Path) -> bool {
    path.join(LOCK).is_file()
}

/// Folders of ours may be there without the lock: a first start that was cut off.
fn holds_other_files(path: &Path) -> std::io::Result<bool> {
    let of_ours = |name: &OsStr| name == "lost+found" || FOLDERS.iter().any(|(ours, _)| name == *ours);
    for entry in fs::read_dir(path)? {
        if !of_ours(&entry?.file_name()) {
            return Ok(true);
        }
    }
    Ok(false)
}

impl DataDir {
    /// Makes the directory if need be and locks it.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        fs::create_dir_all(path).with_context(|| format!("could not make the data directory {shown}"))?;
        let path = path.canonicalize().with_context(|| format!("could not find the data directory {shown}"))?;
        if path.join(backup::RESTORING).exists() {
            bail!("a restore into {shown} was cut off: run `renga backup restore` again");
        }
        // Others pass through to our CA and list nothing. A directory that others
        // had before us (`/tmp`, by mistake) keeps the mode that it has.
        if is_ours(&path) || !holds_other_files(&path)? {
            fs::set_permissions(&path, fs::Permissions::from_mode(0o711))
                .with_context(|| format!("could not set the permissions of {shown}; is it yours?"))?;
        }
        for (name, mode) in FOLDERS {
            let dir = path.join(name);
            if !dir.is_dir() {
                fs::DirBuilder::new()
                    .mode(mode)
                    .create(&dir)
                    .with_context(|| format!("could not make {}", dir.display()))?;
            }
        }
        Self::locked(path)
    }

    /// Makes the directory if need be and locks it, for a platform to be
    /// restored there: no server may start meanwhile.
    pub(crate) fn for_restore(path: &Path) -> anyhow::Result<Self> {
        let run = path.join("run");
        fs::create_dir_all(&run).with_context(|| format!("could not make {}", run.display()))?;
        for (dir, mode) in [(path, 0o711), (&run, 0o711)] {
            fs::set_permissions(dir, fs::Permissions::from_mode(mode))
                .with_context(|| format!("could not set the permissions of {}", dir.display()))?;
        }
        Self::locked(path.canonicalize()?)
    }

    /// What may be in a directory that counts as empty.
    pub(crate) fn may_precede_a_restore(name: &str) -> bool {
        name == "run" || name == "lost+found"
    }

    /// Locks the data directory of a server that has ended; makes and changes nothing.
    pub(crate) fn existing(path: &Path) -> anyhow::Result<Self> {
        let path = path.canonicalize().with_context(|| format!("there is no directory {}", path.display()))?;
        if !is_ours(&path) {
            bail!("{} is not a data directory of Renga", path.display());
        }
        Self::locked(path)
    }

    fn locked(path: PathBuf) -> anyhow::Result<Self> {
        let lock = File::create(path.join(LOCK)).context("could not make the lock file")?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path, _lock: lock }),
            Err(TryLockError::WouldBlock) => {
                bail!("another server runs on {}; stop it first, or choose another --data-dir", path.display())
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
    /// `url` is for programs here, `public_url` for all others.
    pub(crate) fn announce(&self, listen: &[SocketAddr], url: &str, public_url: &str) -> anyhow::Result<()> {
        #[derive(Serialize)]
        struct Announcement<'a> {
            pid: u32,
            listen: Vec<String>,
            url: &'a str,
            public_url: &'a str,
        }
        let listen = listen.iter().map(ToString::to_string).collect();
        let announcement = Announcement { pid: std::process::id(), listen, url, public_url };
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
