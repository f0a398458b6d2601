//! The build cache of each app: the disk image of its last good build, with
//! only the cache folder left on it.
//!
//! A build works on a copy of the image, so one that fails changes nothing. A
//! cache that has grown beyond its limit is dropped; the next build makes a
//! new one.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::PathBuf;
use std::time::SystemTime;

use domain::AppId;

use crate::error::{Platform, io_error};
use crate::scratch::Scratch;

/// The top folder of [`crate::plan::CACHE_DIR`] on the disk.
const KEPT: &str = "codon";

/// The build cache of an app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BuildCache {
    pub app: AppId,
    /// What it takes on the machine's disk.
    pub bytes: u64,
    /// The end of the last good build.
    pub used_at: SystemTime,
}

#[derive(Debug, Clone)]
pub(crate) struct Caches {
    /// `<data dir>/cache/builds`.
    pub(crate) folder: PathBuf,
    pub(crate) limit_bytes: u64,
    /// A cache on a disk of another size is of no use.
    pub(crate) disk_bytes: u64,
}

impl Caches {
    pub(crate) fn open(&self) -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)
    }

    /// The app's cache, if there is one that fits.
    pub(crate) fn find(&self, app: AppId) -> Option<PathBuf> {
        let path = self.path(app);
        let fits = fs::metadata(&path).is_ok_and(|image| image.is_file() && image.len() == self.disk_bytes);
        fits.then_some(path)
    }

    /// Keeps the cache folder of a build's disk, and deletes the rest of it.
    /// Blocks until the image is on the machine's disk.
    pub(crate) fn keep(&self, app: AppId, scratch: &Scratch) -> Result<(), Platform> {
        let kept = self.keep_image(app, scratch);
        scratch.delete()?;
        kept
    }

    fn keep_image(&self, app: AppId, scratch: &Scratch) -> Result<(), Platform> {
        scratch.clear_except(KEPT)?;
        scratch.unmount()?;
        let (image, path) = (scratch.image(), self.path(app));
        let opened = File::open(&image).map_err(|source| io_error("open", &image, source))?;
        opened.sync_all().map_err(|source| io_error("sync", &image, source))?;
        // In units of 512 bytes: holes do not count.
        let size_bytes = opened.metadata().map_err(|source| io_error("look at", &image, source))?.blocks() * 512;
        if size_bytes > self.limit_bytes {
            tracing::info!(app.id = %app, size_bytes, "The build cache has outgrown its limit and is dropped");
            return self.purge(app);
        }
        fs::rename(&image, &path).map_err(|source| io_error("name", &path, source))
    }

    /// Every app's, in no order.
    pub(crate) fn list(&self) -> Result<Vec<BuildCache>, Platform> {
        let failed = |source| io_error("list", &self.folder, source);
        let mut caches = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            let app = name.to_str().and_then(|name| name.strip_suffix(".img")).and_then(|id| id.parse().ok());
            let (Some(app), Ok(image)) = (app, entry.metadata()) else { continue };
            let used_at = image.modified().map_err(failed)?;
            caches.push(BuildCache { app, bytes: image.blocks() * 512, used_at });
        }
        Ok(caches)
    }

    pub(crate) fn purge(&self, app: AppId) -> Result<(), Platform> {
        let path = self.path(app);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(io_error("delete", &path, source)),
            _ => Ok(()),
        }
    }

    fn path(&self, app: AppId) -> PathBuf {
        self.folder.join(format!("{app}.img"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DISK_BYTES: u64 = 64 * 1024 * 1024;

    fn caches(folder: &std::path::Path, limit_bytes: u64) -> Caches {
        let caches = Caches { folder: folder.join("caches"), limit_bytes, disk_bytes: DISK_BYTES };
        caches.open().unwrap();
        caches
    }

    fn keep_one(caches: &Caches, folder: &std::path::Path) -> AppId {
        let app = AppId(uuid::Uuid::now_v7());
        let scratch = Scratch::create(&folder.join("b"), DISK_BYTES, None).unwrap();
        fs::create_dir(scratch.root().join(KEPT)).unwrap();
        fs::write(scratch.root().join(KEPT).join("x"), vec![7; 4 * 1024 * 1024]).unwrap();
        fs::write(scratch.root().join("rest"), vec![7; 4 * 1024 * 1024]).unwrap();
        caches.keep(app, &scratch).unwrap();
        assert!(!folder.join("b").exists());
        app
    }

    #[test]
    fn a_cache_is_kept_until_it_is_purged_or_too_large() {
        if !nix::unistd::geteuid().is_root() {
            eprintln!("skipped: needs root");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let roomy = caches(folder.path(), DISK_BYTES);
        let app = keep_one(&roomy, folder.path());
        let found = roomy.find(app).unwrap();
        assert_eq!(roomy.list().unwrap().iter().map(|cache| cache.app).collect::<Vec<_>>(), [app]);
        assert!(fs::metadata(found).unwrap().blocks() * 512 < 7 * 1024 * 1024, "the rest is no part of it");
        roomy.purge(app).unwrap();
        assert_eq!(roomy.find(app), None);

        let tight = caches(folder.path(), 2 * 1024 * 1024);
        let app = keep_one(&tight, folder.path());
        assert_eq!(tight.find(app), None);
    }

    #[test]
    fn a_cache_of_another_disk_size_is_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        let caches = caches(folder.path(), 1);
        let app = AppId(uuid::Uuid::now_v7());
        File::create(caches.path(app)).unwrap().set_len(DISK_BYTES / 2).unwrap();
        assert_eq!(caches.find(app), None);
    }
}
