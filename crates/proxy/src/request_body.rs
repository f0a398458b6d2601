//! The request's body on its way to the backend, and how far it has come.

use std::error::Error as _;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::Fault;

/// Frames of the client's body, unchanged; `None`: there is no body.
pub(crate) struct RequestBody {
    inner: Option<Incoming>,
    upload: Arc<Upload>,
}

/// Where the upload stands; the forwarding side reads it to know which
/// timeout runs.
pub(crate) struct Upload {
    stage: Mutex<Stage>,
    /// Told when the stage becomes `Sent`: a shorter timeout begins then.
    pub(crate) sent: Notify,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Waiting for the client to send more.
    Reading(Instant),
    /// Waiting for the backend to take what came.
    Writing(Instant),
    Sent(Instant),
    Failed(Fault),
}

impl RequestBody {
    pub(crate) fn new(inner: Incoming) -> Self {
        if inner.is_end_stream() {
            return Self::empty();
        }
        Self { inner: Some(inner), upload: Upload::at(Stage::Writing(Instant::now())) }
    }

    pub(crate) fn empty() -> Self {
        Self { inner: None, upload: Upload::at(Stage::Sent(Instant::now())) }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.inner.is_none()
    }

    pub(crate) fn upload(&self) -> &Arc<Upload> {
        &self.upload
    }
}

impl Upload {
    fn at(stage: Stage) -> Arc<Self> {
        Arc::new(Self { stage: Mutex::new(stage), sent: Notify::new() })
    }

    pub(crate) fn stage(&self) -> Stage {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Starts the clocks again: the request goes out on a new connection.
    pub(crate) fn restart(&self) {
        let now = Instant::now();
        let mut stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        *stage = match &*stage {
            Stage::Reading(_) | Stage::Writing(_) => Stage::Writing(now),
            Stage::Sent(_) => Stage::Sent(now),
            Stage::Failed(fault) => Stage::Failed(fault.clone()),
        };
    }

    fn enter(&self, next: Stage) {
        let sent = matches!(next, Stage::Sent(_));
        *self.stage.lock().unwrap_or_else(PoisonError::into_inner) = next;
        if sent {
            self.sent.notify_one();
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(inner) = &mut self.inner else { return Poll::Ready(None) };
        let polled = Pin::new(&mut *inner).poll_frame(cx);
        let now = Instant::now();
        let next = match &polled {
            Poll::Ready(Some(Ok(_))) if !inner.is_end_stream() => Stage::Writing(now),
            Poll::Ready(Some(Ok(_)) | None) => Stage::Sent(now),
            Poll::Ready(Some(Err(error))) => Stage::Failed(client_fault(error)),
            // The client's silence counts from its start, not from this look.
            Poll::Pending => match self.upload.stage() {
                Stage::Reading(since) => Stage::Reading(since),
                _ => Stage::Reading(now),
            },
        };
        self.upload.enter(next);
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

fn client_fault(error: &hyper::Error) -> Fault {
    let kind = error.source().and_then(|source| source.downcast_ref::<io::Error>()).map(io::Error::kind);
    match kind {
        Some(io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData) => Fault::MalformedRequestBody,
        Some(io::ErrorKind::TimedOut) => Fault::ClientIdle,
        _ => Fault::ClientGone,
    }
}
