//! Removing what strangers have written.

use std::fs;
use std::io;
use std::path::Path;

use uuid::Uuid;

/// Removes a directory with all that is in it; fine if there is none. Trees may
/// be deeper than the stack, the longest path and the number of open files
/// allow, as an app can make them: directories are moved up one by one until
/// each is empty. Someone else may remove the same tree, or write to it for a
/// little while yet.
pub(crate) fn remove_tree(top: &Path) -> io::Result<()> {
    const ATTEMPTS: u32 = 100;
    let mut attempts = 0;
    loop {
        match empty(top).and_then(|()| fs::remove_dir(top)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // Of the tree, or of something in it that another took away.
                if !top.try_exists()? {
                    return Ok(());
                }
                attempts += 1;
            }
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => attempts += 1,
            other => return other,
        }
        if attempts > ATTEMPTS {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
    }
}

/// Until nothing is in `top` any more.
fn empty(top: &Path) -> io::Result<()> {
    loop {
        let mut was_empty = true;
        for entry in fs::read_dir(top)? {
            let entry = entry?;
            was_empty = false;
            if !entry.file_type()?.is_dir() {
                fs::remove_file(entry.path())?;
                continue;
            }
            for inner in fs::read_dir(entry.path())? {
                let inner = inner?;
                if inner.file_type()?.is_dir() {
                    fs::rename(inner.path(), top.join(Uuid::now_v7().to_string()))?;
                } else {
                    fs::remove_file(inner.path())?;
                }
            }
            fs::remove_dir(entry.path())?;
        }
        if was_empty {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use nix::fcntl::{OFlag, openat};
    use nix::sys::stat::{Mode, mkdirat};

    use super::*;

    #[test]
    fn a_tree_deeper_than_any_path_goes() {
        // In memory: some disks take milliseconds for each directory.
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        let top = dir.path().join("top");
        fs::create_dir(&top).unwrap();
        fs::write(top.join("file"), "").unwrap();
        std::os::unix::fs::symlink("/etc", top.join("link")).unwrap();
        let mut at = fs::File::open(&top).unwrap();
        for _ in 0..20_000 {
            mkdirat(&at, "d", Mode::from_bits_truncate(0o700)).unwrap();
            at = openat(&at, "d", OFlag::O_DIRECTORY, Mode::empty()).unwrap().into();
        }
        remove_tree(&top).unwrap();
        assert!(!top.exists());
        assert!(Path::new("/etc").exists());
    }

    #[test]
    fn none_is_fine_and_a_file_is_not_a_tree() {
        let dir = tempfile::tempdir().unwrap();
        remove_tree(&dir.path().join("none")).unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(remove_tree(&file).is_err());
    }
}
