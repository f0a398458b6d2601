//! What the platform provides: who may do what, and what a push leads to.

use std::path::PathBuf;

use async_trait::async_trait;
use domain::{AccountId, AppId, AppName, Secret};

use crate::push::{Push, Verdict};

/// Of HTTP basic authentication. Any user name will do; the password is an
/// API key.
#[derive(Debug, Clone)]
pub struct Credentials {
    pub user: String,
    pub password: Secret,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Clone and fetch.
    Read,
    Push,
}

/// Who may use which app's repository, as found when it was opened; handed
/// back with the push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    pub app: AppId,
    pub account: AccountId,
}

#[derive(Debug, Clone)]
pub struct Repository {
    /// A bare repository made by [`crate::init`], directly in
    /// [`crate::Config::repositories`].
    pub path: PathBuf,
    pub grant: Grant,
}

/// Why a repository is not opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// 401: git asks its user or helper for others.
    #[error("The API key is not valid")]
    BadCredentials,
    /// 403, with this text.
    #[error("{0}")]
    Forbidden(String),
    /// 404: there is no such app for this account.
    #[error("Couldn't find that app")]
    NotFound,
    /// 503, with this text: try later.
    #[error("{0}")]
    Unavailable(String),
}

/// The platform, as the git server sees it.
#[async_trait]
pub trait Repositories: Send + Sync + 'static {
    /// Finds the repository of an app, and makes it ([`crate::init`]) if the
    /// app has none yet.
    async fn open(&self, app: &AppName, credentials: &Credentials, access: Access) -> Result<Repository, Refusal>;

    /// Builds and releases what was pushed to `main` or `master`. The branch
    /// moves only if the verdict is [`Verdict::Accepted`]. Once
    /// [`Push::cancelled`] fires no one reads the output any more; the verdict
    /// still counts, so a deploy that is past its point of no return is to
    /// say `Accepted`. At most one runs per repository.
    async fn deploy(&self, push: Push) -> Verdict;

    /// A push has ended and the repository may have grown: `size_bytes` is
    /// what it takes on disk now.
    async fn pushed(&self, grant: Grant, size_bytes: u64);
}
