//! Builds.

use domain::buildpack::BuildpackRef;
use domain::{BuildId, ReleaseId, SlugId};
use serde::{Deserialize, Serialize};

use crate::buildpack::{self, Buildpack};
use crate::{AppRef, IdRef, Time, UserRef};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Build {
    pub app: AppRef,
    pub buildpacks: Option<Vec<Buildpack>>,
    pub created_at: Time,
    pub generation: String,
    pub id: BuildId,
    /// Plain text, readable without credentials: the URL is the secret.
    pub output_stream_url: String,
    pub release: Option<IdRef<ReleaseId>>,
    pub slug: Option<IdRef<SlugId>>,
    pub source_blob: SourceBlob,
    pub stack: String,
    /// `pending`, `succeeded`, `failed`.
    pub status: String,
    pub updated_at: Time,
    pub user: UserRef,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceBlob {
    /// `SHA256:<hex>` of the tarball; checked before the build.
    #[serde(default)]
    pub checksum: Option<String>,
    pub url: String,
    #[serde(default)]
    pub version: Option<String>,
    #[serde(default)]
    pub version_description: Option<String>,
}

/// `POST /apps/:app/builds`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateBuild {
    pub source_blob: SourceBlob,
    /// In place of the app's own, for this build only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub buildpacks: Option<Vec<WantedBuildpack>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WantedBuildpack {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl WantedBuildpack {
    /// The URL before the name; `None` if there is neither.
    pub fn reference(&self) -> Option<Result<BuildpackRef, domain::buildpack::InvalidBuildpackRef>> {
        self.url.as_deref().or(self.name.as_deref()).map(buildpack::parse)
    }
}
