//! Housekeeping: Renga's own, beside Heroku's API.

use serde::{Deserialize, Serialize};

/// `POST /renga/gc`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CollectGarbage {
    /// Look, and remove nothing.
    #[serde(default)]
    pub dry_run: bool,
}

/// The answer's lines, one per kind of garbage as it gets done: `releases`,
/// `apps`, `transcripts`, `caches`, `blobs`, `images`, `stacks`, `leftovers`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CollectedGarbage {
    pub kind: String,
    pub items: u64,
    /// What they took on the disk.
    pub bytes: u64,
    /// Why it could not be collected, or not all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// `GET /renga/disk`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disk {
    /// The disk that the data directory is on.
    pub total_bytes: u64,
    pub available_bytes: u64,
    pub uses: Vec<DiskUse>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskUse {
    /// `blobs`, `git`, `caches`, …
    pub name: String,
    pub files: u64,
    pub bytes: u64,
}

/// The lines of the answer to `POST /renga/keys/rotate`, as it gets on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRotation {
    /// The id of the key that seals now.
    pub key: String,
    /// Configs that were sealed anew.
    pub resealed: u64,
    /// Configs that are still sealed with older keys.
    pub left: u64,
    /// The ids of keys that were dropped, since nothing is sealed with them.
    pub dropped: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}
