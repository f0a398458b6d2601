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

/// How long git has to end once there is a verdict and no client.
const WIND_UP: Duration = Duration::from_secs(30);
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
    pub(crate) async fn run(self) -> io::Result<Ended> {
        let Self { mut process, body, answer, complaint, session, stop, idle } = self;
        let (stdout, stderr) = (process.child.stdout.take(), process.child.stderr.take());
        let (stdout, stderr) = stdout.zip(stderr).ok_or_else(|| io::Error::other("git has no stdio"))?;
        let mut feeding = std::pin::pin!(feed(body, process.child.stdin.take()));
        let mut relaying = std::pin::pin!(async { tokio::join!(relay(stdout, &answer, idle), heard(stderr)) });
        let must_end = || session.is_none_or(Session::leave);
        let wound_up = async {
            match session {
                Some(session) => session.decided().await,
                None => std::future::pending().await,
            }
            tokio::time::sleep(WIND_UP).await;
        };
        let mut wound_up = std::pin::pin!(wound_up);
        let (mut fed, mut left) = (false, false);
        let outcome = loop {
            tokio::select! {
                (answered, heard) = &mut relaying => break Ok((answered?, heard)),
                result = &mut feeding, if !fed => {
                    fed = true;
                    if let Err(error) = result && must_end() {
                        break Err(Some(error));
                    }
                }
                () = async { tokio::select! { () = answer.closed() => {}, () = stop.cancelled() => {} } }, if !left => {
                    left = true;
                    if must_end() {
                        break Err(None);
                    }
                }
                () = &mut wound_up, if left => break Err(None),
            }
        };
        let (status, answered, why) = match outcome {
            Ok((answered, heard)) => (process.wait().await?, answered, heard),
            Err(error) => {
                let why = error.map_or_else(|| "the server is stopping".to_owned(), |error| error.to_string());
                (process.terminate().await?, false, why)
            }
        };
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
