//! Reading what a build has left on its disk.
//!
//! The dyno is dead by then, but what it left was made by strangers: names are
//! resolved beneath the disk only, files are read up to a bound, and nothing
//! but plain files is opened.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::Path;

use nix::fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, openat2};

/// The first `limit_bytes` of a file beneath `root`; `None` if there is no
/// plain file of that name, or its name leads out of `root`.
pub(crate) fn read_beneath(root: &Path, name: &Path, limit_bytes: usize) -> io::Result<Option<Vec<u8>>> {
    let root =
        nix::fcntl::open(root, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, nix::sys::stat::Mode::empty())?;
    // O_NONBLOCK: opening a pipe would wait for its writer.
    let how = OpenHow::new()
        .flags(OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK | OFlag::O_NOCTTY)
        .resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS | ResolveFlag::RESOLVE_NO_XDEV);
    let opened: OwnedFd = match openat2(&root, name, how) {
        Ok(opened) => opened,
        Err(error) if is_absence(error) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let file = File::from(opened);
    if !file.metadata()?.is_file() {
        return Ok(None);
    }
    let mut content = Vec::new();
    file.take(limit_bytes as u64).read_to_end(&mut content)?;
    Ok(Some(content))
}

/// Not there, or not in a way that we would follow.
fn is_absence(error: nix::errno::Errno) -> bool {
    use nix::errno::Errno::{ELOOP, ENAMETOOLONG, ENOENT, ENOTDIR, ENXIO, EXDEV};
    matches!(error, ENOENT | ENOTDIR | ELOOP | EXDEV | ENAMETOOLONG | ENXIO)
}

/// A folder beneath `root`, reached without any symbolic link?
pub(crate) fn is_plain_folder(root: &Path, name: &Path) -> io::Result<bool> {
    let how = OpenHow::new()
        .flags(OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS | ResolveFlag::RESOLVE_NO_XDEV);
    let root = nix::fcntl::openat(
        AT_FDCWD,
        root,
        OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC,
        nix::sys::stat::Mode::empty(),
    )?;
    match openat2(&root, name, how) {
        Ok(_) => Ok(true),
        Err(error) if is_absence(error) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn files_are_read_up_to_the_bound_and_links_within_are_followed() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("Procfile.web"), "web: x").unwrap();
        symlink("Procfile.web", root.path().join("Procfile")).unwrap();
        let read = |name: &str, limit| read_beneath(root.path(), Path::new(name), limit).unwrap();
        assert_eq!(read("Procfile", 100).unwrap(), b"web: x");
        assert_eq!(read("Procfile", 3).unwrap(), b"web");
        assert_eq!(read("absent", 3), None);
    }

    #[test]
    fn links_that_lead_out_pipes_and_folders_are_no_files() {
        let root = tempfile::tempdir().unwrap();
        symlink("/etc/passwd", root.path().join("absolute")).unwrap();
        symlink("../../../../etc/passwd", root.path().join("relative")).unwrap();
        symlink("loop", root.path().join("loop")).unwrap();
        fs::create_dir(root.path().join("folder")).unwrap();
        nix::unistd::mkfifo(&root.path().join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        for name in ["absolute", "relative", "loop", "folder", "pipe", "../x", "/etc/passwd", "folder/../../x"] {
            assert_eq!(read_beneath(root.path(), Path::new(name), 100).unwrap(), None, "{name}");
        }
    }

    #[test]
    fn a_folder_behind_a_link_is_not_plain() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("a/b")).unwrap();
        symlink("a", root.path().join("link")).unwrap();
        let plain = |name: &str| is_plain_folder(root.path(), Path::new(name)).unwrap();
        assert!(plain("a/b"));
        assert!(!plain("link/b") && !plain("link") && !plain("../") && !plain("absent"));
    }
}
