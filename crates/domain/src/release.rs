//! A release: a slug and config vars, immutable and numbered.

use jiff::Timestamp;

use crate::{AccountId, AppId, ReleaseId, SlugId};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReleaseState {
    /// Its release phase has not ended yet.
    Pending,
    Succeeded,
    Failed,
    /// It succeeded, and its slug was collected since: it can't be gone back to.
    Expired,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReleaseEvent {
    /// The release command ended well, or there is none.
    PhasePassed,
    PhaseFailed,
    /// The server was not there to see the end of the release command.
    Interrupted,
    /// Its slug is no longer kept.
    SlugCollected,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a release that has {state:?} can't take {event:?}")]
pub struct ReleaseRefused {
    pub state: ReleaseState,
    pub event: ReleaseEvent,
}

impl ReleaseState {
    /// The only way from one state to the next.
    pub fn after(self, event: ReleaseEvent) -> Result<Self, ReleaseRefused> {
        match (self, event) {
            (Self::Pending, ReleaseEvent::PhasePassed) => Ok(Self::Succeeded),
            (Self::Pending, ReleaseEvent::PhaseFailed | ReleaseEvent::Interrupted) => Ok(Self::Failed),
            (Self::Succeeded | Self::Expired, ReleaseEvent::SlugCollected) => Ok(Self::Expired),
            (Self::Failed, ReleaseEvent::SlugCollected) => Ok(Self::Failed),
            (state, event) => Err(ReleaseRefused { state, event }),
        }
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Expired => "expired",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    pub id: ReleaseId,
    pub app: AppId,
    /// 1, 2, 3, … without gaps, per app.
    pub version: u32,
    /// `None` before the first build: config vars alone also make releases.
    pub slug: Option<SlugId>,
    pub user: AccountId,
    /// `Deploy 2c3a0b2`, `Set A, B config vars`, `Rollback to v3`, …
    pub description: String,
    pub state: ReleaseState,
    /// Exactly one release of an app is current, once there is one.
    pub current: bool,
    /// Whether it has, or had, a release command whose output can be read.
    pub has_phase: bool,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl Release {
    /// A rollback needs a slug that once went live.
    pub fn is_eligible_for_rollback(&self) -> bool {
        self.slug.is_some() && self.state == ReleaseState::Succeeded
    }
}
