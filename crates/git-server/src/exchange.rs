//! The bytes between a client and a git process, until both have done.

use std::fmt::Display;
use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::Body;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::ChildStdin;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::process::Process;
use crate::request::{RequestBody, RequestError};
use crate::session::Session;

/// How long git has to end once there is a verdict, or no need of one, and no
/// client.
const WIND_UP: Duration = Duration::from_secs(15);
const PIECE_BYTES: usize = 64 << 10;

/// The client's side of a response.
pub(crate) type Answer = mpsc::Sender<io::Result<Bytes>>;

pub(crate) struct Exchange<'a, B> {
    pub(crate) process: Process,
    pub(crate) body: Option<RequestBody<B>>,
    pub(crate) answer: Answer,
    /// How an error is put if nothing else was answered.
    pub(crate) complaint: fn(&str) -> Bytes,
    /// Of a push: it may have to be decided although the client has left.
    pub(crate) session: Option<&'a Session>,
    pub(crate) stop: &'a CancellationToken,
    pub(crate) idle: Duration,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Git came to its own end.
    Well,
    /// Git failed or was ended, and may have left something.
    Badly,
}

impl<B> Exchange<'_, B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Display,
{
    /// A push that loses its client before the hook has called gets no more
    /// input: then git ends by itself and removes its quarantine, which it does
    /// not on a signal. Signals are for what does not end in time, and for
    /// fetches.
    pub(crate) async fn run(self) -> io::Result<Ended> {
        let Self { mut process, body, answer, complaint, session, stop, idle } = self;
        let (stdout, stderr) = (process.child.stdout.take(), process.child.stderr.take());
        let (stdout, stderr) = stdout.zip(stderr).ok_or_else(|| io::Error::other("git has no stdio"))?;
        // Dropped to close git's stdin.
        let mut feeding = Some(Box::pin(feed(body, process.child.stdin.take())));
        let mut relaying = std::pin::pin!(async { tokio::join!(relay(stdout, &answer, idle), heard(stderr)) });
        let mut leaving = std::pin::pin!(async {
            tokio::select! { () = answer.closed() => {}, () = stop.cancelled() => {} }
        });
        let mut overdue = std::pin::pin!(async {
            if let Some(session) = session {
                session.decided().await;
                tokio::time::sleep(WIND_UP).await;
            }
        });
        let (mut left, mut why) = (false, None);
        let outcome = loop {
            tokio::select! {
                (answered, heard) = &mut relaying => break Some((answered?, heard)),
                result = fed(&mut feeding) => {
                    feeding = None;
                    if let Err(error) = result {
                        why = Some(error.to_string());
                        left = left || session.is_none_or(Session::leave);
                    }
                }
                () = &mut leaving, if !left => {
                    left = true;
                    if session.is_some_and(Session::leave) {
                        feeding = None;
                    }
                }
                () = &mut overdue, if left => break None,
            }
        };
        let (status, answered, heard) = match outcome {
            Some((answered, heard)) => (process.wait().await?, answered, heard),
            None => (process.terminate().await?, false, String::new()),
        };
        let why = why.unwrap_or(heard);
        if status.success() {
            return Ok(Ended::Well);
        }
        tracing::warn!(%status, %why, "Git ended badly");
        // No one may be there to read it.
        let _ = match answered {
            true => answer.send(Err(io::Error::other("git ended badly"))).await,
            false => answer.send(Ok(complaint(&why))).await,
        };
        Ok(Ended::Badly)
    }
}

/// The end of feeding; never, if there is nothing to feed.
async fn fed<F: Future<Output = Result<(), RequestError>> + Unpin>(
    feeding: &mut Option<F>,
) -> Result<(), RequestError> {
    match feeding {
        Some(feeding) => feeding.await,
        None => std::future::pending().await,
    }
}

/// Hands the request to git. When git wants no more of it the rest is read and
/// dropped, so that the client gets to read the answer.
async fn feed<B>(body: Option<RequestBody<B>>, stdin: Option<ChildStdin>) -> Result<(), RequestError>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Display,
{
    let (Some(mut body), mut stdin) = (body, stdin) else { return Ok(()) };
    while let Some(piece) = body.next().await? {
        if let Some(open) = &mut stdin
            && open.write_all(&piece).await.is_err()
        {
            stdin = None;
        }
    }
    Ok(())
}

/// Passes git's output to the client, or nowhere when the client is gone.
/// Returns whether there was any.
async fn relay(mut stdout: impl AsyncRead + Unpin, answer: &Answer, idle: Duration) -> io::Result<bool> {
    let mut answered = false;
    let mut buffer = BytesMut::with_capacity(PIECE_BYTES);
    let mut stalled = false;
    while stdout.read_buf(&mut buffer).await? > 0 {
        answered = true;
        let piece = buffer.split().freeze();
        if !stalled {
            stalled = tokio::time::timeout(idle, answer.send(Ok(piece))).await.is_err();
        }
        buffer.reserve(PIECE_BYTES);
    }
    Ok(answered)
}

/// What git says on stderr: nothing, unless something is wrong.
async fn heard(mut stderr: impl AsyncRead + Unpin) -> String {
    const MOST_BYTES: usize = 2048;
    let mut said = Vec::new();
    let mut buffer = [0; 1024];
    while let Ok(read @ 1..) = stderr.read(&mut buffer).await {
        let room = MOST_BYTES - said.len();
        said.extend_from_slice(&buffer[..read.min(room)]);
    }
    String::from_utf8_lossy(&said).trim().to_owned()
}
