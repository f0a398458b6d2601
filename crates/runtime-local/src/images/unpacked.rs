//! An image as a directory, for kernels that can't map the users of a
//! squashfs (before Linux 6.2) but can those of ext4, xfs or btrfs.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use uuid::Uuid;

use crate::tree::remove_tree;

use crate::sys::process::die_with_parent;

/// Set apart by name from a mount of the same image.
const SUFFIX: &str = ".files";

pub(super) fn name(image: &str) -> String {
    format!("{image}{SUFFIX}")
}

pub(super) fn is_unpacked(name: &str) -> bool {
    name.ends_with(SUFFIX)
}

/// Not whole yet. One that a crash left is known by its name.
const UNFINISHED: &str = ".new";

/// Not used any more, about to be removed.
const RUBBISH: &str = ".old";

pub(super) fn is_left_over(name: &str) -> bool {
    name.ends_with(UNFINISHED) || name.ends_with(RUBBISH)
}

/// Unpacks a squashfs file with owners and modes: `place` comes to be with all
/// that is in it, or not at all. May take seconds.
pub(super) fn unpack(file: &File, place: &Path) -> io::Result<()> {
    let unfinished = with_suffix(place, UNFINISHED);
    remove_tree(&unfinished)?;
    let unpacked = unsquash(file, &unfinished).and_then(|()| fs::rename(&unfinished, place));
    if unpacked.is_err()
        && let Err(error) = remove_tree(&unfinished)
    {
        tracing::warn!("Could not remove the half-unpacked `{}`: {error}", unfinished.display());
    }
    unpacked
}

fn unsquash(file: &File, to: &Path) -> io::Result<()> {
    let mut command = Command::new("unsquashfs");
    command
        // Extended attributes could only be capabilities, which no program in a dyno can gain.
        .args(["-quiet", "-no-progress", "-no-xattrs"])
        // MiB of memory.
        .args(["-data-queue", "64", "-frag-queue", "64", "-dest"])
        .arg(to)
        // The very file that was identified, whatever has its path by now.
        .arg("/proc/self/fd/0")
        .stdin(file.try_clone()?)
        .stdout(Stdio::null())
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    die_with_parent(&mut command);
    let output = command.output().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => io::Error::new(error.kind(), "unsquashfs is missing (install squashfs-tools)"),
        _ => error,
    })?;
    if output.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr);
    let words: String = words.trim().chars().take(500).collect();
    Err(io::Error::other(format!("unsquashfs: {}: {words}", output.status)))
}

fn with_suffix(place: &Path, suffix: &str) -> PathBuf {
    let mut path = place.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

/// Removes directories while nobody waits. Dropping it waits for the rest.
pub(super) struct Rubbish {
    dir: PathBuf,
    removals: Mutex<Vec<JoinHandle<()>>>,
}

impl Rubbish {
    /// To be thrown to within `dir`, the directory of all images.
    pub(super) fn new(dir: PathBuf) -> Self {
        Self { dir, removals: Mutex::default() }
    }

    /// When this returns the names are free. One that is not there is fine.
    pub(super) fn throw(&self, places: impl IntoIterator<Item = PathBuf>) -> io::Result<()> {
        let mut trees = Vec::new();
        for place in places {
            let tree = self.dir.join(format!("{}{RUBBISH}", Uuid::now_v7()));
            match fs::rename(&place, &tree) {
                Ok(()) => trees.push(tree),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        if trees.is_empty() {
            return Ok(());
        }
        let removal = thread::Builder::new().name("image-removal".to_owned()).spawn(move || {
            for tree in trees {
                if let Err(error) = remove_tree(&tree) {
                    tracing::warn!("Could not remove the unused `{}`: {error}", tree.display());
                }
            }
        })?;
        let mut removals = self.removals.lock().unwrap_or_else(PoisonError::into_inner);
        removals.retain(|removal| !removal.is_finished());
        removals.push(removal);
        Ok(())
    }
}

impl Drop for Rubbish {
    fn drop(&mut self) {
        for removal in self.removals.get_mut().unwrap_or_else(PoisonError::into_inner).drain(..) {
            // A panic in there has been printed.
            let _ = removal.join();
        }
    }
}
