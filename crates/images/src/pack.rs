//! Packing a folder into a squashfs layer, by the host's `mksquashfs`.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};

use crate::blobs::{Blob, BlobError, BlobStore};

/// Files in a layer belong to this user and group: the dyno's.
const OWNER: &str = "1000";

#[derive(Debug, thiserror::Error)]
pub enum PackError {
    #[error("could not start mksquashfs; install the package squashfs-tools")]
    Start(#[source] io::Error),
    #[error("mksquashfs failed: {0}")]
    Failed(String),
    #[error("`{}` can't be packed: it must be a folder with `app` in it", .0.display())]
    NoTree(PathBuf),
    #[error(transparent)]
    Blob(#[from] BlobError),
}

/// Packs the content of `tree`, which becomes the root of the layer, and puts
/// it into the store. All times become `time_unix_s`, all owners the dyno's
/// user: the same content and time give the same bytes. Takes about 3 ms per
/// MB; `processors` bounds the threads.
pub fn pack(store: &BlobStore, tree: &Path, time_unix_s: u32, processors: u32) -> Result<Blob, PackError> {
    if !holds_app(tree) {
        return Err(PackError::NoTree(tree.to_owned()));
    }
    let unfinished = store.unfinished()?;
    let time = time_unix_s.to_string();
    let output = Command::new("mksquashfs")
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
        .output()
        .map_err(PackError::Start)?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        let words: String = words.trim().chars().take(500).collect();
        return Err(PackError::Failed(format!("{}: {words}", output.status)));
    }
    Ok(store.adopt(unfinished)?)
}

/// A real folder, not a link, and its `app` likewise.
fn holds_app(tree: &Path) -> bool {
    let is_folder = |path: &Path| fs::symlink_metadata(path).is_ok_and(|found| found.is_dir());
    let plain = tree.components().all(|part| part != Component::ParentDir);
    plain && is_folder(tree) && is_folder(&tree.join("app"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn have_mksquashfs() -> bool {
        let there = Command::new("mksquashfs").arg("-version").output().is_ok();
        if !there {
            eprintln!("skipped: mksquashfs is not installed");
        }
        there
    }

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
        let blob = pack(&store, one.path(), 1_700_000_000, 2).unwrap();
        assert_eq!(pack(&store, other.path(), 1_700_000_000, 1).unwrap(), blob);
        assert_ne!(pack(&store, changed.path(), 1_700_000_000, 1).unwrap(), blob);
        assert_eq!(store.list().unwrap().len(), 2);

        let listing =
            Command::new("unsquashfs").args(["-d", "", "-lln"]).arg(store.path(blob.digest)).output().unwrap();
        let listing = String::from_utf8(listing.stdout).unwrap();
        let run = listing.lines().find(|line| line.ends_with("/app/bin/run")).unwrap();
        assert!(run.contains("1000/1000") && run.contains("2023-11-14"), "{run}");
    }

    #[test]
    fn what_is_no_folder_or_a_link_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let store = BlobStore::open(folder.path().join("blobs")).unwrap();
        fs::create_dir(folder.path().join("tree")).unwrap();
        symlink("/etc", folder.path().join("tree/app")).unwrap();
        for bad in ["tree", "absent", "tree/../tree"] {
            let refused = pack(&store, &folder.path().join(bad), 0, 1);
            assert!(matches!(refused, Err(PackError::NoTree(_))), "{bad}: {refused:?}");
        }
    }
}
