//! What a use case refuses, in terms of the platform; `api` turns it into HTTP.

use store::StoreError;

/// Why a use case did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum PlatformError {
    /// There is none, or the caller may not know of it.
    #[error("Couldn't find that {0}.")]
    NotFound(Resource),
    /// The caller may see it, but not do this to it.
    #[error("{0}")]
    Forbidden(String),
    #[error("Invalid credentials provided.")]
    Unauthorized,
    /// The request makes no sense; the text says what to change.
    #[error("{0}")]
    Invalid(String),
    /// The request can't be done now because of something else that is or goes on.
    #[error("{0}")]
    Conflict(String),
    /// Ours to fix; the text is for the log, not for the caller.
    #[error("{0:#}")]
    Internal(anyhow::Error),
}

/// What was looked for, by the names that the API's `resource` field uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    Account,
    App,
    Authorization,
    Build,
    Collaborator,
    Domain,
    Drain,
    Dyno,
    Feature,
    Formation,
    LogSession,
    Login,
    Release,
    Session,
    Slug,
    Source,
    SshKey,
    Stack,
}

impl Resource {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::App => "app",
            Self::Authorization => "authorization",
            Self::Build => "build",
            Self::Collaborator => "collaborator",
            Self::Domain => "domain",
            Self::Drain => "log drain",
            Self::Dyno => "dyno",
            Self::Feature => "feature",
            Self::Formation => "process type",
            Self::LogSession => "log session",
            Self::Login => "login",
            Self::Release => "release",
            Self::Session => "session",
            Self::Slug => "slug",
            Self::Source => "source",
            Self::SshKey => "key",
            Self::Stack => "stack",
        }
    }
}

impl std::fmt::Display for Resource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl From<StoreError> for PlatformError {
    fn from(error: StoreError) -> Self {
        Self::Internal(error.into())
    }
}

impl From<anyhow::Error> for PlatformError {
    fn from(error: anyhow::Error) -> Self {
        Self::Internal(error)
    }
}
