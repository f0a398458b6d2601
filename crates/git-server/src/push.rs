//! A push to a deploying branch, as the platform gets it.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::refs::Oid;
use crate::repositories::Grant;
use crate::source::Source;

/// How long a client may take no output before it counts as gone.
const STALLED_AFTER: Duration = Duration::from_secs(120);

/// A commit that was pushed to `main` or `master`; its branch has not moved
/// yet.
#[derive(Debug)]
pub struct Push {
    pub grant: Grant,
    pub commit: Oid,
    /// The first line of the commit's message, at most 200 characters.
    pub summary: String,
    /// `main` or `master`.
    pub branch: String,
    pub source: Source,
    /// What the person who pushes sees, with `remote: ` before each line.
    pub output: Output,
    /// Fires when the client is gone or the server ends.
    pub cancelled: CancellationToken,
}

/// Whether the branch moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Accepted,
    /// The reason was written to the output; the line `Push rejected to APP.`
    /// and git's own `(pre-receive hook declined)` follow by themselves.
    Rejected,
}

/// The way to the person who pushes. Clones write to the same place.
#[derive(Debug, Clone)]
pub struct Output {
    sender: mpsc::Sender<Bytes>,
    cancelled: CancellationToken,
}

impl Output {
    pub(crate) fn new(cancelled: CancellationToken) -> (Self, mpsc::Receiver<Bytes>) {
        let (sender, receiver) = mpsc::channel(64);
        (Self { sender, cancelled }, receiver)
    }

    /// Sends text on; lines end in `\n`. Waits while the client is slow. When
    /// no one is there any more the text is dropped.
    pub async fn write(&self, text: impl Into<Bytes>) {
        let text = text.into();
        if text.is_empty() || self.sender.is_closed() {
            return;
        }
        if tokio::time::timeout(STALLED_AFTER, self.sender.send(text)).await.is_err() {
            self.cancelled.cancel();
        }
    }
}
