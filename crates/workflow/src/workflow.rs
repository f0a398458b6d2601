//! Runs the steps of a workflow, and recovers after a crash.

use domain::WorkflowId;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing::{info, warn};

use crate::{Journal, JournalError, Outcome, Record, Step};

/// Steps to be done or undone as a whole. `C` is the context that they work
/// on and that is journaled, `E` what a step fails with.
pub struct Workflow<C, E> {
    /// Under this name the journal keeps it; must stay the same over releases.
    pub kind: &'static str,
    pub steps: Vec<Box<dyn Step<C, E>>>,
    /// The index of the first step that is never undone. With 0 the work only
    /// goes forward, with the number of steps it is undone whenever it does
    /// not come to its end.
    pub pivot: usize,
}

/// Why a workflow did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum Failure<E> {
    /// A step before the pivot failed, and all is undone.
    #[error("could not {step}")]
    Undone { step: &'static str, source: E },
    /// A step before the pivot failed, then an undo failed too: recovery will
    /// try again. `cause`: why it had to be undone, if not after a crash.
    #[error("could not take back `{step}`")]
    UndoFailed { step: &'static str, source: E, cause: Option<E> },
    /// A step after the pivot failed: recovery will try again.
    #[error("could not {step}; it will be tried again")]
    Stuck { step: &'static str, source: E },
    /// Nothing more was done; recovery will undo it or go on.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The context can't be written as JSON, or what was written is not one:
    /// a bug, or the journal of another version.
    #[error("the context of workflow `{kind}` can't be written or read")]
    Context { kind: &'static str, source: serde_json::Error },
}

/// What recovery came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Recovered<C> {
    Done(C),
    Undone(C),
}

impl<C, E> Workflow<C, E>
where
    C: Serialize + DeserializeOwned + Send,
    E: std::fmt::Display + Send,
{
    /// Does the work. If this future is dropped before its end, that is a
    /// crash like any other: give it a task of its own where a caller may go.
    pub async fn run(&self, journal: &dyn Journal, id: WorkflowId, context: &mut C) -> Result<(), Failure<E>> {
        journal.begin(id, self.kind, &self.written(context)?).await?;
        self.forward(journal, id, 0, context).await
    }

    /// Brings a workflow of this kind that a crash left unfinished to an end:
    /// undone if it had not reached the pivot, else done.
    pub async fn recover(&self, journal: &dyn Journal, record: &Record) -> Result<Recovered<C>, Failure<E>> {
        let mut context: C =
            serde_json::from_str(&record.context).map_err(|source| Failure::Context { kind: self.kind, source })?;
        if record.steps_ended < self.pivot {
            info!(workflow.id = %record.id, "Undoing `{}`, which a crash left unfinished", self.kind);
            match self.undo(record.id, record.steps_ended, &mut context).await {
                Ok(()) => journal.ended(record.id, Outcome::Undone).await?,
                Err((step, source)) => return Err(Failure::UndoFailed { step, source, cause: None }),
            }
            Ok(Recovered::Undone(context))
        } else {
            info!(workflow.id = %record.id, "Going on with `{}`, which a crash left unfinished", self.kind);
            self.forward(journal, record.id, record.steps_ended, &mut context).await?;
            Ok(Recovered::Done(context))
        }
    }

    async fn forward(
        &self,
        journal: &dyn Journal,
        id: WorkflowId,
        first: usize,
        context: &mut C,
    ) -> Result<(), Failure<E>> {
        for (index, step) in self.steps.iter().enumerate().skip(first) {
            match step.run(context).await {
                Ok(()) => journal.progressed(id, index, &self.written(context)?).await?,
                Err(cause) if index < self.pivot => {
                    info!(workflow.id = %id, "`{}` failed in `{}`, so it is undone", self.kind, step.name());
                    match self.undo(id, index, context).await {
                        Ok(()) => journal.ended(id, Outcome::Undone).await?,
                        Err((step, source)) => return Err(Failure::UndoFailed { step, source, cause: Some(cause) }),
                    }
                    return Err(Failure::Undone { step: step.name(), source: cause });
                }
                Err(source) => {
                    warn!(workflow.id = %id, "`{}` is stuck in `{}`: {source}", self.kind, step.name());
                    return Err(Failure::Stuck { step: step.name(), source });
                }
            }
        }
        journal.ended(id, Outcome::Done).await?;
        Ok(())
    }

    /// Undoes the step at `in_progress` and all before it; stops at the first
    /// undo that fails, because the earlier ones may rely on it.
    async fn undo(&self, id: WorkflowId, in_progress: usize, context: &mut C) -> Result<(), (&'static str, E)> {
        let begun = self.steps.len().min(in_progress + 1);
        for step in self.steps[..begun].iter().rev() {
            if let Err(source) = step.undo(context).await {
                warn!(workflow.id = %id, "The undo of `{}` in `{}` failed: {source}", step.name(), self.kind);
                return Err((step.name(), source));
            }
        }
        Ok(())
    }

    fn written(&self, context: &C) -> Result<String, Failure<E>> {
        serde_json::to_string(context).map_err(|source| Failure::Context { kind: self.kind, source })
    }
}
