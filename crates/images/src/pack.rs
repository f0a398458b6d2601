//! Packing a folder into a squashfs layer, by the host's `mksquashfs`.

use std::fs;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::path::{Component, Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, poll};

use crate::blobs::{Blob, BlobError};
use crate::fingerprint::Stop;
use crate::hold::Hold;

/// Files in a layer belong to this user and group: the dyno's.
const OWNER: &str = "1000";
/// How often a running mksquashfs is held against its bounds. Its end is seen
/// at once.
const LOOK_AGAIN_MS: u8 = 100;
/// More words than this of a failed mksquashfs are not kept.
const WORDS_BYTES: usize = 4096;

/// What ends a packing before it is done.
#[derive(Clone, Copy)]
pub struct PackLimit<'a> {
    /// Of the packed layer.
    pub size_bytes: u64,
    /// Asked several times a second; once it says true the packing is given up.
    pub stop: Stop<'a>,
}

#[derive(Debug, thiserror::Error)]
pub enum PackError {
    #[error("could not start mksquashfs; install the package squashfs-tools")]
    Start(#[source] io::Error),
    #[error("mksquashfs failed: {0}")]
    Failed(String),
    #[error("`{}` can't be packed: it must be a folder with `app` in it", .0.display())]
    NoTree(PathBuf),
    #[error("the packed folder is larger than the limit of {limit_bytes} bytes")]
    TooLarge { limit_bytes: u64 },
    #[error("the packing was stopped")]
    Stopped,
    #[error("could not watch mksquashfs")]
    Watch(#[source] io::Error),
    #[error(transparent)]
    Blob(#[from] BlobError),
}

/// Packs the content of `tree`, which becomes the root of the layer, and puts
/// it into the store, unless it turns out larger than `limit` allows. All times
/// become `time_unix_s`, all owners the dyno's user: the same content and time
/// give the same bytes. Takes about 3 ms per MB; `processors` bounds the threads.
pub fn pack(
    hold: &Hold,
    tree: &Path,
    time_unix_s: u32,
    processors: u32,
    limit: PackLimit<'_>,
) -> Result<Blob, PackError> {
    if !holds_app(tree) {
        return Err(PackError::NoTree(tree.to_owned()));
    }
    let unfinished = hold.unfinished()?;
    let time = time_unix_s.to_string();
    let mut child = Command::new("mksquashfs")
        .arg(tree)
        .arg(unfinished.path())
        .args(["-noappend", "-no-progress", "-quiet", "-no-xattrs", "-no-exports", "-no-recovery"])
        .args(["-comp", "zstd", "-Xcompression-level", "3", "-b", "128K"])
        .args(["-force-uid", OWNER, "-force-gid", OWNER, "-mkfs-time", &time, "-all-time", &time])
        .args(["-processors", &processors.max(1).to_string(), "-mem", "512M"])
        // It would take the place of both times.
        .env_remove("SOURCE_DATE_EPOCH")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(PackError::Start)?;
    let watched = watch(&mut child, unfinished.path(), limit);
    if watched.is_err() {
        // It fails only if the child has ended already.
        let _ended = child.kill();
    }
    let status = child.wait().map_err(PackError::Watch)?;
    let words = watched?;
    if !status.success() {
        let words: String = String::from_utf8_lossy(&words).trim().chars().take(500).collect();
        return Err(PackError::Failed(format!("{status}: {words}")));
    }
    check_size(unfinished.path(), limit)?;
    Ok(hold.adopt(unfinished)?)
}

/// Waits for the child's end, which closes its stderr; returns what it wrote there.
fn watch(child: &mut Child, output: &Path, limit: PackLimit<'_>) -> Result<Vec<u8>, PackError> {
    let mut words = Vec::new();
    let Some(mut stderr) = child.stderr.take() else { return Ok(words) };
    let mut buffer = [0; 1024];
    loop {
        let mut waiting = [PollFd::new(stderr.as_fd(), PollFlags::POLLIN)];
        match poll(&mut waiting, LOOK_AGAIN_MS) {
            Ok(0) | Err(Errno::EINTR) => {
                if (limit.stop)() {
                    return Err(PackError::Stopped);
                }
                check_size(output, limit)?;
            }
            Ok(_) => match stderr.read(&mut buffer).map_err(PackError::Watch)? {
                0 => return Ok(words),
                read => words.extend(buffer[..read].iter().take(WORDS_BYTES - words.len().min(WORDS_BYTES))),
            },
            Err(error) => return Err(PackError::Watch(error.into())),
        }
    }
}

fn check_size(output: &Path, limit: PackLimit<'_>) -> Result<(), PackError> {
    let size_bytes = fs::metadata(output).map_err(PackError::Watch)?.len();
    let fits = size_bytes <= limit.size_bytes;
    if fits { Ok(()) } else { Err(PackError::TooLarge { limit_bytes: limit.size_bytes }) }
}

/// A real folder, not a link, and its `app` likewise.
fn holds_app(tree: &Path) -> bool {
    let is_folder = |path: &Path| fs::symlink_metadata(path).is_ok_and(|found| found.is_dir());
    let plain = tree.components().all(|part| part != Component::ParentDir);
    plain && is_folder(tree) && is_folder(&tree.join("app"))
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::BlobStore;

    fn have_mksquashfs() -> bool {
        let there = Command::new("mksquashfs").arg("-version").output().is_ok();
        if !there {
            eprintln!("skipped: mksquashfs is not installed");
        }
        there
    }

    const ROOMY: PackLimit<'_> = PackLimit { size_bytes: 1 << 30, stop: &|| false };

    fn tree(content: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("app/bin")).unwrap();
        fs::write(folder.path().join("app/bin/run"), content).unwrap();
        symlink("run", folder.path().join("app/bin/link")).unwrap();
        folder
    }

    #[test]
    fn equal_folders_become_one_blob_with_the_dyno_as_owner() {
        if !have_mksquashfs() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let store = BlobStore::open(folder.path()).unwrap();
        let (one, other, changed) = (tree("x"), tree("x"), tree("y"));
        let blob = pack(&store.hold(), one.path(), 1_700_000_000, 2, ROOMY).unwrap();
        assert_eq!(pack(&store.hold(), other.path(), 1_700_000_000, 1, ROOMY).unwrap(), blob);
        assert_ne!(pack(&store.hold(), changed.path(), 1_700_000_000, 1, ROOMY).unwrap(), blob);
        assert_eq!(store.list().unwrap().len(), 2);

        let listing =
            Command::new("unsquashfs").args(["-d", "", "-lln"]).arg(store.path(blob.digest)).output().unwrap();
        let listing = String::from_utf8(listing.stdout).unwrap();
        let run = listing.lines().find(|line| line.ends_with("/app/bin/run")).unwrap();
        assert!(run.contains("1000/1000") && run.contains("2023-11-14"), "{run}");
    }

    #[test]
    fn a_packed_folder_beyond_the_limit_is_not_kept() {
        if !have_mksquashfs() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let store = BlobStore::open(folder.path()).unwrap();
        let tight = PackLimit { size_bytes: 100, ..ROOMY };
        let refused = pack(&store.hold(), tree("x").path(), 0, 1, tight);
        assert!(matches!(refused, Err(PackError::TooLarge { limit_bytes: 100 })), "{refused:?}");
        assert!(store.list().unwrap().is_empty());
    }

    #[test]
    fn a_long_packing_is_stopped_on_request() {
        if !have_mksquashfs() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let store = BlobStore::open(folder.path()).unwrap();
        let large = tree("x");
        // A hole that takes seconds to read, and no room.
        File::create(large.path().join("app/hole")).unwrap().set_len(64 << 30).unwrap();
        let stopped = pack(&store.hold(), large.path(), 0, 1, PackLimit { stop: &|| true, ..ROOMY });
        assert!(matches!(stopped, Err(PackError::Stopped)), "{stopped:?}");
        assert!(store.list().unwrap().is_empty());
    }

    #[test]
    fn what_is_no_folder_or_a_link_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let store = BlobStore::open(folder.path().join("blobs")).unwrap();
        fs::create_dir(folder.path().join("tree")).unwrap();
        symlink("/etc", folder.path().join("tree/app")).unwrap();
        for bad in ["tree", "absent", "tree/../tree"] {
            let refused = pack(&store.hold(), &folder.path().join(bad), 0, 1, ROOMY);
            assert!(matches!(refused, Err(PackError::NoTree(_))), "{bad}: {refused:?}");
        }
    }
}
