//! What outlives a crash: which workflows began, and how far they came.

use async_trait::async_trait;
use domain::WorkflowId;

/// Keeps the progress of workflows. A call that returned `Ok` survives a
/// crash of the process and of the machine.
#[async_trait]
pub trait Journal: Send + Sync {
    /// A workflow begins. `context` is its data as JSON.
    async fn begin(&self, id: WorkflowId, kind: &str, context: &str) -> Result<(), JournalError>;

    /// The step of this index (from 0) has ended well.
    async fn progressed(&self, id: WorkflowId, step: usize, context: &str) -> Result<(), JournalError>;

    /// Nothing is left to do or undo. Ending what is not there (any more) is
    /// fine, since recovery may end it twice.
    async fn ended(&self, id: WorkflowId, outcome: Outcome) -> Result<(), JournalError>;

    /// All that began and did not end, the oldest first. To be asked at start,
    /// before new workflows run: it can't tell a dead one from one at work.
    async fn unfinished(&self) -> Result<Vec<Record>, JournalError>;
}

/// A workflow that has not ended, as the journal holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub id: WorkflowId,
    pub kind: String,
    /// How many steps have ended well; the next one may have been in progress.
    pub steps_ended: usize,
    /// JSON, as it was after the last step that ended.
    pub context: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Done,
    Undone,
}

impl Outcome {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Undone => "undone",
        }
    }
}

/// The journal can't be written or read; it may or may not hold what was to
/// be written.
#[derive(Debug, thiserror::Error)]
#[error("the journal of workflows can't be used")]
pub struct JournalError(#[source] pub Box<dyn std::error::Error + Send + Sync>);
