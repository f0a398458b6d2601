//! Backups: all that a platform is, in one archive.
//!
//! An archive is a plain tar (what is large in it is compressed already): a
//! head, then git repositories, the database, keys, certificates, transcripts
//! and blobs, then a manifest with the SHA-256 of each file, and the
//! manifest's own. It holds the keys, so it is as secret as the platform.
//!
//! One is made while the server works. What it holds fits together because of
//! the order in which it is taken:
//!
//! 1. Each repository, its branches before its objects: a branch never names
//!    an object that is not there. A branch moves only after its release is
//!    made, so the repositories are never ahead of the database, and code that
//!    a restored platform has not released can be pushed again.
//! 2. The database, as of one moment, with the keys that open it.
//! 3. What the database refers to: blobs and transcripts. They are written
//!    before the row that names them, and nothing removes them meanwhile: the
//!    backup holds `run/gc.lock` shared, which a collection takes exclusively.
//!
//! An app that is destroyed in between loses its repository and transcripts,
//! which the next push makes anew; its slugs are there.
//!
//! ```
//! # let dir = tempfile::tempdir().unwrap();
//! # let data = dir.path().join("data");
//! # std::fs::create_dir_all(data.join("run")).unwrap();
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! # let keys = store::MasterKeys::open_or_create(&data.join("keys")).unwrap();
//! # store::Store::open(&data.join("renga.db"), keys).await.unwrap().close().await;
//! # });
//! let archive = dir.path().join("backup.tar");
//! let mut file = std::fs::File::create(&archive).unwrap();
//! let made = backup::create(&data, None, &mut file, &mut |_| {}).unwrap();
//! let found = backup::verify(std::fs::File::open(&archive).unwrap(), &mut |_| {}).unwrap();
//! assert_eq!(made.files, found.files);
//! ```

mod archive;
mod contents;
mod create;
mod error;
mod manifest;
mod repository;
mod restore;
mod unpack;
mod verify;

pub use create::create;
pub use error::BackupError;
pub use manifest::Summary;
pub use restore::{RESTORING, restore};
pub use verify::verify;

/// What is done now, for those who watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress<'a> {
    /// `blobs`.
    pub part: &'a str,
    /// Files of all parts so far.
    pub files: u64,
    pub bytes: u64,
}
