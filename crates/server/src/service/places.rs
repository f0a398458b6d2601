//! Where a service's files lie.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::Context;

#[derive(Debug, Clone)]
pub(super) struct Places {
    /// `/`, but for images of machines.
    pub(super) root: PathBuf,
}

pub(super) const PROGRAM: &str = "/usr/local/bin/renga";

impl Places {
    pub(super) fn below(root: Option<&Path>) -> Self {
        Self { root: root.unwrap_or(Path::new("/")).to_owned() }
    }

    /// Whether it is this machine, whose services can be started.
    pub(super) fn is_this_machine(&self) -> bool {
        self.root == Path::new("/")
    }

    pub(super) fn program(&self) -> PathBuf {
        self.at(PROGRAM)
    }

    pub(super) fn unit(&self) -> PathBuf {
        self.at("/etc/systemd/system/renga.service")
    }

    pub(super) fn configuration(&self) -> PathBuf {
        self.at(configuration::DEFAULT_FILE)
    }

    fn at(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }
}

/// Puts a file in place so that whoever looks finds the old one or the new one,
/// whole, also after a crash.
pub(super) fn put(path: &Path, mode: u32, write: impl FnOnce(&mut File) -> io::Result<()>) -> anyhow::Result<()> {
    let put = || -> io::Result<()> {
        let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
        fs::create_dir_all(folder)?;
        let unfinished = path.with_added_extension("new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&unfinished)?;
        file.set_permissions(Permissions::from_mode(mode))?;
        write(&mut file)?;
        file.sync_all()?;
        drop(file);
        fs::rename(&unfinished, path)?;
        File::open(folder)?.sync_all()
    };
    put().with_context(|| format!("could not write {}", path.display()))
}

pub(super) fn put_text(path: &Path, text: &str) -> anyhow::Result<()> {
    put(path, 0o644, |file| file.write_all(text.as_bytes()))
}

/// Whether there was such a file.
pub(super) fn remove(path: &Path) -> anyhow::Result<bool> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).with_context(|| format!("could not remove {}", path.display())),
    }
}
