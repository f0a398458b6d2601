//! An app, and what hangs on it directly.

use jiff::Timestamp;

use crate::names::{AppName, Email};
use crate::{AccountId, AppId, CollaboratorId, DomainId, DrainId, Hostname};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct App {
    pub id: AppId,
    pub name: AppName,
    pub owner: AccountId,
    pub owner_email: Email,
    /// The stack that the next build uses (`debian-13`, `host`, …).
    pub build_stack: String,
    /// The stack of the current slug; the same as `build_stack` before a build.
    pub stack: String,
    pub maintenance: bool,
    /// Of the current slug, compressed.
    pub slug_size_bytes: Option<u64>,
    /// Of the git repository, after the last push.
    pub repo_size_bytes: Option<u64>,
    /// The text of detected or set buildpacks, as `apps:info` shows it.
    pub buildpack_provided_description: Option<String>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// When code last went live.
    pub released_at: Option<Timestamp>,
}

/// A host name that an app answers to beside its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Domain {
    pub id: DomainId,
    pub app: AppId,
    pub hostname: Hostname,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// Someone beside the owner who may use an app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collaborator {
    pub id: CollaboratorId,
    pub app: AppId,
    pub account: AccountId,
    pub email: Email,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// Where an app's log lines are to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drain {
    pub id: DrainId,
    pub app: AppId,
    /// `syslog://`, `syslog+tls://`, `http://` or `https://`.
    pub url: String,
    /// `d.<uuid>`, the drain's name in what is delivered.
    pub token: String,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}
