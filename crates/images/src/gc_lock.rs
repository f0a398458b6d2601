//! The lock between backups and the collection of garbage, in this process
//! and others.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// `run/gc.lock` of a data directory, held until dropped. A backup holds it
/// shared, whoever removes blobs or repacks repositories exclusively.
#[derive(Debug)]
pub struct GcLock {
    _file: File,
}

impl GcLock {
    /// Waits until nobody collects; then nobody does.
    pub fn shared(data_dir: &Path) -> io::Result<Self> {
        let file = open(data_dir)?;
        file.lock_shared()?;
        Ok(Self { _file: file })
    }

    /// `None` while a backup is made.
    pub fn try_exclusive(data_dir: &Path) -> io::Result<Option<Self>> {
        let file = open(data_dir)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(std::fs::TryLockError::WouldBlock) => Ok(None),
            Err(std::fs::TryLockError::Error(error)) => Err(error),
        }
    }
}

fn open(data_dir: &Path) -> io::Result<File> {
    let folder = data_dir.join("run");
    std::fs::create_dir_all(&folder)?;
    OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(folder.join("gc.lock"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_collected_while_a_backup_is_made() {
        let dir = tempfile::tempdir().unwrap();
        let one = GcLock::shared(dir.path()).unwrap();
        let other = GcLock::shared(dir.path()).unwrap();
        drop(one);
        assert!(GcLock::try_exclusive(dir.path()).unwrap().is_none());
        drop(other);
        assert!(GcLock::try_exclusive(dir.path()).unwrap().is_some());
    }
}
