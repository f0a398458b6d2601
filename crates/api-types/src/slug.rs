//! Slugs.

use std::collections::BTreeMap;

use domain::SlugId;
use serde::{Deserialize, Serialize};

use crate::{NamedRef, Time};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slug {
    pub blob: Blob,
    pub buildpack_provided_description: Option<String>,
    pub checksum: Option<String>,
    pub commit: Option<String>,
    pub commit_description: Option<String>,
    pub created_at: Time,
    pub deleted_at: Option<Time>,
    pub id: SlugId,
    pub process_types: BTreeMap<String, String>,
    /// Bytes, compressed, without the stack.
    pub size: Option<u64>,
    pub stack: NamedRef,
    pub updated_at: Time,
}

/// Where the slug's content is, and how to ask for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blob {
    pub method: String,
    pub url: String,
}
