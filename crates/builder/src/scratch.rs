//! The disk of a build: one ext4 image of bounded size, mounted on a loop
//! device, that becomes the dyno's `/tmp`.
//!
//! It has no journal, since it never outlives its build as it is; the cache
//! that is kept of it is synced first. Only the kernel's filesystem writes to
//! the image, never the dyno, so mounting it again is safe.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use runtime::USER_ID;

use crate::error::{Platform, io_error};

/// A mounted build disk. Its functions block.
#[derive(Debug)]
pub(crate) struct Scratch {
    /// Holds the image, the mount point and what the driver is told.
    folder: PathBuf,
}

impl Scratch {
    /// Makes `folder` with a disk of `size_bytes` in it, out of `image` if the
    /// app has a cache that can be mounted, and mounts it.
    pub(crate) fn create(folder: &Path, size_bytes: u64, cache: Option<&Path>) -> Result<Self, Platform> {
        // Only root may come near: a build's files may be set-user-id.
        fs::DirBuilder::new().mode(0o700).create(folder).map_err(|source| io_error("make", folder, source))?;
        let scratch = Self { folder: folder.to_owned() };
        let made = scratch.fill(size_bytes, cache);
        if made.is_err()
            && let Err(error) = scratch.delete()
        {
            tracing::warn!(%error, "A build disk that could not be made could not be deleted either");
        }
        made.map(|()| scratch)
    }

    fn fill(&self, size_bytes: u64, cache: Option<&Path>) -> Result<(), Platform> {
        let (image, root) = (self.image(), self.root());
        fs::create_dir(&root).map_err(|source| io_error("make", &root, source))?;
        if let Some(cache) = cache {
            match copy(cache, &image).and_then(|()| self.mount()) {
                Ok(()) => return Ok(()),
                Err(error) => {
                    tracing::warn!(%error, cache = %cache.display(), "The cache can't be used; starting without")
                }
            }
        }
        let file = fs::File::create(&image).map_err(|source| io_error("make", &image, source))?;
        file.set_len(size_bytes).map_err(|source| io_error("size", &image, source))?;
        let owner = format!("lazy_itable_init=1,nodiscard,root_owner={USER_ID}:{USER_ID}");
        run(
            Command::new(tool("mkfs.ext4"))
                .args(["-q", "-F", "-m", "0", "-O", "^has_journal,^resize_inode", "-E", &owner])
                .arg(&image),
            "mkfs.ext4",
        )?;
        self.mount()?;
        let lost = root.join("lost+found");
        fs::remove_dir(&lost).map_err(|source| io_error("delete", &lost, source))
    }

    fn mount(&self) -> Result<(), Platform> {
        let options = "loop,nosuid,nodev,noatime,discard";
        let (image, root) = (self.image(), self.root());
        run(Command::new(tool("mount")).args(["-t", "ext4", "-o", options]).arg(image).arg(&root), "mount")?;
        fs::set_permissions(&root, fs::Permissions::from_mode(0o1777))
            .map_err(|source| io_error("open up", &root, source))
    }

    /// Where the disk is mounted.
    pub(crate) fn root(&self) -> PathBuf {
        self.folder.join("disk")
    }

    pub(crate) fn image(&self) -> PathBuf {
        self.folder.join("disk.img")
    }

    /// A folder beside the disk, which the dyno gets to see read-only.
    pub(crate) fn read_only_folder(&self) -> PathBuf {
        self.folder.join("driver")
    }

    /// Whether less than 1 MB, or no inode, is left on the disk.
    pub(crate) fn is_full(&self) -> Result<bool, Platform> {
        let root = self.root();
        let left = nix::sys::statvfs::statvfs(&root).map_err(|error| io_error("look at", &root, error.into()))?;
        Ok(left.blocks_available() * left.fragment_size() < 1024 * 1024 || left.files_available() == 0)
    }

    /// Deletes all that lies at the top of the disk but `kept`. By `rm`, which
    /// takes folders nested deeper than any recursion of ours could follow.
    pub(crate) fn clear_except(&self, kept: &str) -> Result<(), Platform> {
        let root = self.root();
        let entries = fs::read_dir(&root).map_err(|source| io_error("list", &root, source))?;
        let mut doomed = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|source| io_error("list", &root, source))?;
            if entry.file_name() != kept {
                doomed.push(entry.path());
            }
        }
        if doomed.is_empty() {
            return Ok(());
        }
        run(Command::new("rm").args(["-rf", "--one-file-system", "--"]).args(doomed), "rm")
    }

    /// Unmounts; the image stays.
    pub(crate) fn unmount(&self) -> Result<(), Platform> {
        unmount(&self.root())
    }

    /// Unmounts if need be, and deletes all of it.
    pub(crate) fn delete(&self) -> Result<(), Platform> {
        delete(&self.folder)
    }
}

/// Deletes what builds of a server that was killed have left in `builds`.
pub(crate) fn sweep(builds: &Path) -> Result<(), Platform> {
    for entry in fs::read_dir(builds).map_err(|source| io_error("list", builds, source))? {
        let entry = entry.map_err(|source| io_error("list", builds, source))?;
        tracing::info!(folder = %entry.path().display(), "Sweeping the disk of an interrupted build");
        delete(&entry.path())?;
    }
    Ok(())
}

fn delete(folder: &Path) -> Result<(), Platform> {
    unmount(&folder.join("disk"))?;
    // The mount point is empty now, and what else is there is ours.
    match fs::remove_dir_all(folder) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(io_error("delete", folder, source)),
        _ => Ok(()),
    }
}

fn unmount(root: &Path) -> Result<(), Platform> {
    use nix::errno::Errno;
    match nix::mount::umount2(root, nix::mount::MntFlags::UMOUNT_NOFOLLOW) {
        // EINVAL: not a mount point.
        Ok(()) | Err(Errno::EINVAL | Errno::ENOENT) => Ok(()),
        Err(error) => Err(io_error("unmount", root, error.into())),
    }
}

/// Copies the data and leaves the holes; shares the blocks where the
/// machine's filesystem can.
fn copy(from: &Path, to: &Path) -> Result<(), Platform> {
    run(Command::new("cp").args(["--sparse=auto", "--reflink=auto", "--"]).arg(from).arg(to), "cp")
}

/// Some of our tools lie where a plain user's `PATH` does not lead.
fn tool(name: &str) -> PathBuf {
    let folders = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"];
    folders.iter().map(|folder| Path::new(folder).join(name)).find(|path| path.is_file()).unwrap_or_else(|| name.into())
}

pub(crate) fn run(command: &mut Command, program: &'static str) -> Result<(), Platform> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Platform::Program { program, words: format!("it could not be started: {error}") })?;
    if output.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr);
    Err(Platform::Program {
        program,
        words: format!("{}: {}", output.status, words.trim().chars().take(500).collect::<String>()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: u64 = 64 * 1024 * 1024;

    /// `None` where disks can't be made; then the test is skipped.
    fn builds() -> Option<tempfile::TempDir> {
        if !nix::unistd::geteuid().is_root() || !tool("mkfs.ext4").is_file() {
            eprintln!("skipped: needs root and mkfs.ext4");
            return None;
        }
        Some(tempfile::tempdir().unwrap())
    }

    #[test]
    fn a_disk_is_bounded_and_leaves_nothing_behind() {
        let Some(builds) = builds() else { return };
        let scratch = Scratch::create(&builds.path().join("b1"), SIZE, None).unwrap();
        assert_eq!(fs::read_dir(scratch.root()).unwrap().count(), 0);
        assert!(!scratch.is_full().unwrap());
        let written = fs::write(scratch.root().join("big"), vec![1; usize::try_from(SIZE).unwrap()]);
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert!(scratch.is_full().unwrap());
        scratch.delete().unwrap();
        assert_eq!(fs::read_dir(builds.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_is_kept_of_one_disk_is_there_on_the_next() {
        let Some(builds) = builds() else { return };
        let first = Scratch::create(&builds.path().join("b1"), SIZE, None).unwrap();
        fs::create_dir(first.root().join("codon")).unwrap();
        fs::write(first.root().join("codon/x"), "kept").unwrap();
        fs::create_dir_all(first.root().join("build/deep")).unwrap();
        first.clear_except("codon").unwrap();
        first.unmount().unwrap();
        let second = Scratch::create(&builds.path().join("b2"), SIZE, Some(&first.image())).unwrap();
        assert_eq!(fs::read_to_string(second.root().join("codon/x")).unwrap(), "kept");
        assert_eq!(fs::read_dir(second.root()).unwrap().count(), 1);
        second.delete().unwrap();
        first.delete().unwrap();
    }

    #[test]
    fn a_broken_cache_is_done_without_and_leftovers_are_swept() {
        let Some(builds) = builds() else { return };
        let broken = builds.path().join("broken.img");
        fs::write(&broken, "no filesystem").unwrap();
        let all = builds.path().join("builds");
        fs::create_dir(&all).unwrap();
        let scratch = Scratch::create(&all.join("b1"), SIZE, Some(&broken)).unwrap();
        fs::write(scratch.root().join("x"), "y").unwrap();
        drop(scratch);
        sweep(&all).unwrap();
        assert_eq!(fs::read_dir(&all).unwrap().count(), 0);
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        assert!(!mounts.contains(all.to_str().unwrap()));
    }
}
