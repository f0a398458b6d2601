//! One run, kind by kind. Each kind goes by itself: what fails in one is told,
//! and the others go on.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::{Found, Garbage, GcEvent};
use crate::Platform;

pub(super) struct Run<'a> {
    pub(super) platform: &'a Arc<Platform>,
    /// Look, and remove nothing.
    pub(super) dry_run: bool,
    pub(super) events: mpsc::UnboundedSender<GcEvent>,
}

impl Run<'_> {
    pub(super) async fn all(&self) {
        // What apps leave behind goes first: it frees most for the least work.
        self.tell(Garbage::Apps, self.destroyed_apps().await);
        // Marks, then deletes what nothing leads to since.
        let released = self.releases().await;
        self.tell(
            Garbage::Releases,
            released.as_ref().map(|released| released.found).map_err(|error| format!("{error:#}")),
        );
        if let Ok(released) = released {
            self.tell(Garbage::Blobs, self.blobs(released).await);
        }
        // Only now, for an image that is still mounted keeps its deleted blobs on the disk.
        self.tell(Garbage::Images, self.unused_images().await);
        self.tell(Garbage::Transcripts, self.transcripts().await);
        self.tell(Garbage::Caches, self.caches().await);
        self.tell(Garbage::Stacks, self.stacks().await);
        self.tell(Garbage::Leftovers, self.leftovers().await);
        if !self.dry_run {
            self.platform.logs.forget_removed();
        }
    }

    fn tell(&self, kind: Garbage, outcome: Result<Found, impl std::fmt::Display>) {
        let event = match outcome {
            Ok(found) => GcEvent::Collected(found),
            Err(error) => GcEvent::Problem { kind, reason: format!("{error:#}") },
        };
        self.send(event);
    }

    /// Something of a kind that the rest of it does not depend on.
    pub(super) fn problem(&self, kind: Garbage, reason: String) {
        self.send(GcEvent::Problem { kind, reason });
    }

    fn send(&self, event: GcEvent) {
        // Who asked may have gone away; the run goes on.
        let _unread = self.events.send(event);
    }
}

/// Work on files, off the threads that serve.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    tokio::task::spawn_blocking(work).await?
}
