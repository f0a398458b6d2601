//! Whose turn it is on an HTTP connection: the client's, to send the head of
//! its next request, or ours. The socket's side reads it to know which timer
//! runs; the service's side sets it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

#[derive(Default)]
pub(crate) struct Turn {
    /// Requests begun, times two; odd while one is being answered.
    step: AtomicU64,
    /// The request that came last has a body, which may be left unread.
    had_body: AtomicBool,
}

/// Being in the middle of a request; dropped when it is answered.
pub(crate) struct Answering(Option<Arc<Turn>>);

impl Turn {
    pub(crate) fn begin(self: &Arc<Self>, has_body: bool) -> Answering {
        self.had_body.store(has_body, Ordering::Relaxed);
        self.step.fetch_add(1, Ordering::Relaxed);
        Answering(Some(self.clone()))
    }

    /// A number for the head that is awaited now; `None` during an answer.
    pub(crate) fn awaited_head(&self) -> Option<u64> {
        let step = self.step.load(Ordering::Relaxed);
        step.is_multiple_of(2).then_some(step)
    }

    pub(crate) fn had_body(&self) -> bool {
        self.had_body.load(Ordering::Relaxed)
    }
}

impl Answering {
    /// The connection is no longer HTTP: no head will come.
    pub(crate) fn forever(mut self) {
        self.0 = None;
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        if let Some(turn) = &self.0 {
            turn.step.fetch_add(1, Ordering::Relaxed);
        }
    }
}
