//! One step of a workflow, and how it is taken back.

use async_trait::async_trait;

/// A small, named piece of work on the context `C`.
///
/// What a step makes must be findable from the context as it was *before* the
/// step, since that is all an undo after a crash has: choose ids in an earlier
/// step. Secrets don't belong into the context: it is written down as it is.
#[async_trait]
pub trait Step<C, E>: Send + Sync {
    /// For logs and errors; a verb such as `move the ref`.
    fn name(&self) -> &'static str;

    /// Does the work. Run again after a crash it must come to the same end.
    async fn run(&self, context: &mut C) -> Result<(), E>;

    /// Takes the work back, however far it came; again and again if need be.
    /// Never called once the pivot is passed. The default suits steps that
    /// leave nothing behind.
    async fn undo(&self, context: &mut C) -> Result<(), E> {
        let _ = context;
        Ok(())
    }
}
