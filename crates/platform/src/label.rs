//! What a runtime keeps with each dyno for us, so that a server started anew
//! knows what it finds running.

use domain::ReleaseId;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Label {
    pub(crate) kind: Kind,
    /// As people see it: `web.1`.
    pub(crate) name: String,
    pub(crate) release: ReleaseId,
    pub(crate) port: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// Kept by the formation reconciler.
    Formation,
    /// `run:detached`: runs to its end, also over a restart of the server.
    Detached,
    /// Someone waits at the other end of its stdio; it ends with him.
    Attached,
    /// A release command; without the server that waits for it, it has failed.
    ReleasePhase,
}

impl Label {
    pub(crate) fn text(&self) -> String {
        serde_json::to_string(self).expect("a label of plain text and numbers is always JSON")
    }

    /// `None` for dynos that are not the platform's own (builds).
    pub(crate) fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}
