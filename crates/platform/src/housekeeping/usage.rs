//! What takes how much of the disk.

use std::sync::Arc;

use nix::sys::statvfs::statvfs;

use super::measure::{Size, size_of};
use super::run::blocking;
use crate::{Platform, PlatformError};

/// The disk that the data directory is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Filesystem {
    pub total_bytes: u64,
    /// What the server may still write.
    pub available_bytes: u64,
}

/// One kind of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Use {
    pub name: &'static str,
    pub files: u64,
    pub bytes: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskUsage {
    pub filesystem: Filesystem,
    pub uses: Vec<Use>,
}

/// What is meant by what, below the data directory.
const PLACES: [(&str, &[&str]); 10] = [
    ("blobs", &["blobs"]),
    ("git", &["git"]),
    ("caches", &["cache"]),
    ("builds", &["builds"]),
    ("transcripts", &["transcripts"]),
    ("sources", &["sources"]),
    ("logs", &["logs"]),
    ("dynos", &["dynos"]),
    ("unpacked images", &["mounts"]),
    ("database", &["renga.db", "renga.db-wal", "renga.db-shm"]),
];

pub(super) async fn of(platform: &Arc<Platform>) -> Result<DiskUsage, PlatformError> {
    let (data_dir, stacks) = (platform.settings.data_dir.clone(), platform.stacks.path().to_owned());
    let usage = blocking(move || {
        let mut uses = Vec::new();
        for (name, paths) in PLACES {
            let mut all = Size::default();
            for path in paths {
                let size = size_of(&data_dir.join(path))?;
                all = Size { files: all.files + size.files, bytes: all.bytes + size.bytes };
            }
            uses.push(Use { name, files: all.files, bytes: all.bytes });
        }
        let size = size_of(&stacks)?;
        uses.push(Use { name: "stacks", files: size.files, bytes: size.bytes });
        let disk = statvfs(&data_dir)?;
        let filesystem = Filesystem {
            total_bytes: disk.blocks() * disk.fragment_size(),
            available_bytes: disk.blocks_available() * disk.fragment_size(),
        };
        Ok(DiskUsage { filesystem, uses })
    });
    usage.await.map_err(PlatformError::Internal)
}
