//! One finding of the doctor.

use serde::Serialize;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    Ok,
    /// Renga works, but something will be missing or slow.
    Warning,
    /// Renga can't do its work.
    Failure,
}

/// What was looked at, what was found, and how to mend it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Check {
    /// Stable, for scripts: `kernel.overlay`.
    pub(super) id: String,
    pub(super) status: Status,
    pub(super) found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) mend: Option<String>,
}

impl Check {
    pub(super) fn ok(id: impl Into<String>, found: impl Into<String>) -> Self {
        Self { id: id.into(), status: Status::Ok, found: found.into(), mend: None }
    }

    pub(super) fn warning(id: impl Into<String>, found: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { id: id.into(), status: Status::Warning, found: found.into(), mend: Some(mend.into()) }
    }

    pub(super) fn failure(id: impl Into<String>, found: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { id: id.into(), status: Status::Failure, found: found.into(), mend: Some(mend.into()) }
    }

    /// Ok if `good`, else a failure.
    pub(super) fn must(id: impl Into<String>, good: bool, found: impl Into<String>, mend: impl Into<String>) -> Self {
        if good { Self::ok(id, found) } else { Self::failure(id, found, mend) }
    }
}
