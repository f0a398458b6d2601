//! A build: source code becomes a slug.

use jiff::Timestamp;

use crate::buildpack::BuildpackRef;
use crate::procfile::ProcessTypes;
use crate::{AccountId, AppId, BuildId, Digest, ReleaseId, SlugId};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BuildState {
    Pending,
    Succeeded,
    Failed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuildEvent {
    Succeeded,
    /// The buildpacks refused, a limit was passed, or someone cancelled it.
    Failed,
    /// The server was not there to see its end.
    Interrupted,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a build that has {state:?} can't take {event:?}")]
pub struct BuildRefused {
    pub state: BuildState,
    pub event: BuildEvent,
}

impl BuildState {
    /// The only way from one state to the next.
    pub fn after(self, event: BuildEvent) -> Result<Self, BuildRefused> {
        match (self, event) {
            (Self::Pending, BuildEvent::Succeeded) => Ok(Self::Succeeded),
            (Self::Pending, BuildEvent::Failed | BuildEvent::Interrupted) => Ok(Self::Failed),
            (state, event) => Err(BuildRefused { state, event }),
        }
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Build {
    pub id: BuildId,
    pub app: AppId,
    pub user: AccountId,
    pub state: BuildState,
    pub stack: String,
    pub buildpacks: Vec<BuildpackRef>,
    /// The commit, or `source_blob.version` of a build by the API.
    pub source_version: Option<String>,
    pub source_description: Option<String>,
    pub slug: Option<SlugId>,
    pub release: Option<ReleaseId>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// What a build made: an OCI image in the blob store, and how to run it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slug {
    pub id: SlugId,
    pub app: AppId,
    /// The digest of the OCI image's manifest.
    pub image: Digest,
    pub process_types: ProcessTypes,
    pub commit: Option<String>,
    pub commit_description: Option<String>,
    pub buildpack_provided_description: Option<String>,
    pub stack: String,
    /// Compressed, without the stack.
    pub size_bytes: u64,
    /// When its image was given up to make room; its releases have expired then.
    pub collected_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ended_build_takes_no_further_event() {
        for ended in [BuildState::Succeeded, BuildState::Failed] {
            for event in [BuildEvent::Succeeded, BuildEvent::Failed, BuildEvent::Interrupted] {
                assert!(ended.after(event).is_err());
            }
        }
    }
}
