//! Releases.

use domain::{ReleaseId, SlugId};
use serde::{Deserialize, Serialize};

use crate::{AppRef, IdRef, Time, UserRef};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    pub addon_plan_names: Vec<String>,
    pub app: AppRef,
    pub artifacts: Vec<Artifact>,
    pub created_at: Time,
    pub current: bool,
    pub description: String,
    pub eligible_for_rollback: bool,
    pub id: ReleaseId,
    /// Where the output of the release command can be read, if there is one.
    pub output_stream_url: Option<String>,
    pub slug: Option<IdRef<SlugId>>,
    /// `pending`, `succeeded`, `failed`.
    pub status: String,
    pub updated_at: Time,
    pub user: UserRef,
    pub version: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    #[serde(rename = "type")]
    pub kind: String,
    pub id: SlugId,
}

/// `POST /apps/:app/releases`: `release` rolls back to it, `slug` releases it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateRelease {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slug: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}
