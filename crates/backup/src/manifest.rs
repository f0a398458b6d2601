//! The list of all that an archive holds.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Grows when older programs can't read what newer ones write.
pub(crate) const FORMAT: u32 = 1;

/// The first file of an archive.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Head {
    pub(crate) format: u32,
    pub(crate) made_by: String,
    pub(crate) made_at: Timestamp,
}

/// One file: its size, and the SHA-256 of its content in hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sum {
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
}

/// The last file but one; the last is its SHA-256.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Manifest {
    pub(crate) summary: Summary,
    /// By path.
    pub(crate) files: BTreeMap<String, Sum>,
    /// The paths of the blobs that each slug's image is made of, by its digest.
    pub(crate) images: BTreeMap<String, Vec<String>>,
}

/// What an archive holds, in numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    pub made_by: String,
    pub made_at: Timestamp,
    pub apps: u64,
    pub releases: u64,
    pub repositories: u64,
    /// Slugs, each once however many releases run it.
    pub images: u64,
    /// Slugs whose blobs were collected or lost, so that their releases can't
    /// be run again.
    pub absent_images: Vec<String>,
    /// Those of them that some app runs now: it can't be brought back.
    pub lost_images: Vec<String>,
    pub files: u64,
    pub bytes: u64,
}
