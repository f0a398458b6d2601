//! A client's socket with the timers that hyper does not have: for a request's
//! head that does not get complete, for an answer that is not taken, and the
//! lingering close.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use proxy::Client;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use crate::Limits;
use crate::turn::Turn;

pub(crate) struct ClientIo<S> {
    stream: S,
    client: Client,
    turn: Arc<Turn>,
    limits: Limits,
    /// The head that is being read, and until when.
    head: Option<(u64, Timer)>,
    stalled: Option<Timer>,
    closing: Closing,
}

enum Closing {
    No,
    Lingering { until: Timer, left_bytes: usize },
    Done,
}

impl<S> ClientIo<S> {
    pub(crate) fn new(stream: S, client: Client, turn: Arc<Turn>, limits: Limits) -> Self {
        Self { stream, client, turn, limits, head: None, stalled: None, closing: Closing::No }
    }

    /// Whether the head has been coming for too long. `came`: a piece of
    /// something just came.
    fn poll_head(&mut self, cx: &mut Context<'_>, came: bool) -> Poll<io::Error> {
        let Some(awaited) = self.turn.awaited_head() else {
            self.head = None;
            return Poll::Pending;
        };
        match &mut self.head {
            Some((number, timer)) if *number == awaited => {
                ready!(timer.poll(cx));
                Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, "the request's head took too long"))
            }
            _ => {
                self.head = came.then(|| (awaited, Timer::after(self.limits.head)));
                Poll::Pending
            }
        }
    }

    /// Passes on what a write came to; an unready one counts as stalled after
    /// a while.
    fn or_stalled<T>(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.stalled = None;
            return polled;
        }
        let limit = self.limits.stalled;
        ready!(self.stalled.get_or_insert_with(|| Timer::after(limit)).poll(cx));
        self.client.set_stalled();
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client takes nothing")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ClientIo<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let polled = Pin::new(&mut this.stream).poll_read(cx, buf);
        let came = buf.filled().len() > before;
        match this.poll_head(cx, came) {
            Poll::Ready(error) if polled.is_pending() => Poll::Ready(Err(error)),
            _ => polled,
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for ClientIo<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_write(cx, buf);
        this.or_stalled(cx, polled)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_write_vectored(cx, bufs);
        this.or_stalled(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_flush(cx);
        this.or_stalled(cx, polled)
    }

    /// Closes for writing; if a request's body may be unread, reads on for a
    /// bit: closing a socket with unread bytes in it resets the connection, and
    /// the client loses the answer.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if matches!(this.closing, Closing::No) {
            let polled = Pin::new(&mut this.stream).poll_shutdown(cx);
            ready!(this.or_stalled(cx, polled))?;
            this.closing = if this.turn.had_body() {
                Closing::Lingering { until: Timer::after(this.limits.linger), left_bytes: this.limits.linger_bytes }
            } else {
                Closing::Done
            };
        }
        if let Closing::Lingering { until, left_bytes } = &mut this.closing {
            let mut thrown = [0; 8192];
            while *left_bytes > 0 && until.poll(cx).is_pending() {
                let mut buf = ReadBuf::new(&mut thrown);
                // An error is an end as good as any.
                if ready!(Pin::new(&mut this.stream).poll_read(cx, &mut buf)).is_err() || buf.filled().is_empty() {
                    break;
                }
                *left_bytes = left_bytes.saturating_sub(buf.filled().len());
            }
            this.closing = Closing::Done;
        }
        Poll::Ready(Ok(()))
    }
}

struct Timer(Pin<Box<Sleep>>);

impl Timer {
    fn after(duration: Duration) -> Self {
        Self(Box::pin(tokio::time::sleep_until(Instant::now() + duration)))
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(cx)
    }
}
