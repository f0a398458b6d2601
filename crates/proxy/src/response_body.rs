//! The response's body on its way to the client.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

use crate::Fault;
use crate::connect::Connection;
use crate::pool::Shelf;
use crate::request_body::{Stage, Upload};

/// What became of a response's body.
#[derive(Debug)]
pub struct BodyEnd {
    /// Of the body, as given on to the client's connection.
    pub bytes: u64,
    /// `None`: it was given on completely.
    pub fault: Option<Fault>,
}

/// Frames of the backend's body, unchanged, until its end, its idle limit, or
/// until the client's side drops it. Its connection then goes back to the pool
/// if it can be used again.
pub struct ResponseBody {
    inner: Option<Incoming>,
    lease: Option<Lease>,
    idle: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    timer_runs: bool,
    bytes: u64,
    on_end: Option<Box<dyn FnOnce(BodyEnd) + Send + Sync>>,
}

/// A connection in use, and where it goes afterwards.
pub(crate) struct Lease {
    pub(crate) connection: Connection,
    pub(crate) shelf: Arc<Shelf>,
    pub(crate) upload: Arc<Upload>,
    pub(crate) pooled_per_backend: usize,
}

impl Lease {
    /// A connection that the request has not left yet can't take another.
    fn end(self) {
        if matches!(self.upload.stage(), Stage::Sent(_)) {
            self.shelf.give_back(self.connection, self.pooled_per_backend);
        }
    }
}

impl ResponseBody {
    pub(crate) fn new(inner: Incoming, lease: Lease, idle: Duration) -> Self {
        Self { inner: Some(inner), lease: Some(lease), idle, timer: None, timer_runs: false, bytes: 0, on_end: None }
    }

    /// The body of a 101: what follows goes through the tunnel.
    pub(crate) fn empty() -> Self {
        Self { inner: None, lease: None, idle: Duration::ZERO, timer: None, timer_runs: false, bytes: 0, on_end: None }
    }

    /// Calls `tell` exactly once, when the body has ended or is dropped.
    #[must_use]
    pub fn on_end(mut self, tell: impl FnOnce(BodyEnd) + Send + Sync + 'static) -> Self {
        self.on_end = Some(Box::new(tell));
        self
    }

    fn finish(&mut self, fault: Option<Fault>) {
        if let Some(lease) = self.lease.take()
            && fault.is_none()
        {
            lease.end();
        }
        self.inner = None;
        if let Some(tell) = self.on_end.take() {
            tell(BodyEnd { bytes: self.bytes, fault });
        }
    }

    /// Whether nothing has come from the backend, nor from the client in an
    /// upload that still runs, for the idle limit.
    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.idle.is_zero() {
            return Poll::Pending;
        }
        if !self.timer_runs {
            let deadline = Instant::now() + self.idle;
            match &mut self.timer {
                Some(timer) => timer.as_mut().reset(deadline),
                None => self.timer = Some(Box::pin(tokio::time::sleep_until(deadline))),
            }
            self.timer_runs = true;
        }
        let Some(timer) = &mut self.timer else { return Poll::Pending };
        while timer.as_mut().poll(cx).is_ready() {
            let uploading = self.lease.as_ref().and_then(|lease| match lease.upload.stage() {
                Stage::Reading(since) | Stage::Writing(since) => Some(since + self.idle),
                Stage::Sent(_) | Stage::Failed(_) => None,
            });
            match uploading {
                Some(deadline) if deadline > Instant::now() => timer.as_mut().reset(deadline),
                _ => return Poll::Ready(()),
            }
        }
        Poll::Pending
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let this = &mut *self;
        let Some(inner) = &mut this.inner else { return Poll::Ready(None) };
        match Pin::new(&mut *inner).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                this.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
                this.timer_runs = false;
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(None) => {
                this.finish(None);
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(error))) => {
                let upload_fault = this.lease.as_ref().and_then(|lease| match lease.upload.stage() {
                    Stage::Failed(fault) => Some(fault),
                    _ => None,
                });
                tracing::debug!(%error, "a response broke off");
                let fault = upload_fault.unwrap_or(Fault::ClosedInResponse);
                this.finish(Some(fault.clone()));
                Poll::Ready(Some(Err(fault)))
            }
            Poll::Pending => {
                std::task::ready!(this.poll_idle(cx));
                this.finish(Some(Fault::BackendIdle));
                Poll::Ready(Some(Err(Fault::BackendIdle)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        // The server does not ask further once all announced bytes are there.
        let complete = self.is_end_stream();
        self.finish((!complete).then_some(Fault::ClientGone));
    }
}
