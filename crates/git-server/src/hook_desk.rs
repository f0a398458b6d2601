//! The server's side of the hook: takes its calls and answers with output and
//! a verdict.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::hook::{OUTPUT, VERDICT};
use crate::process::Git;
use crate::push::{Output, Verdict};
use crate::repositories::Repositories;
use crate::session::Session;
use crate::source::quarantine_name;

/// The first line must come soon and be short.
const CALL_TIME: Duration = Duration::from_secs(10);
const CALL_BYTES: u64 = 8192;

/// Knows the pushes under way by their tokens.
pub(crate) struct HookDesk {
    git: Arc<Git>,
    repositories: Arc<dyn Repositories>,
    sessions: Mutex<HashMap<String, Arc<Session>>>,
}

/// A push that the hook may call about once, until this is dropped.
pub(crate) struct Expected {
    desk: Arc<HookDesk>,
    pub(crate) token: String,
}

impl Drop for Expected {
    fn drop(&mut self) {
        self.desk.sessions().remove(&self.token);
    }
}

impl HookDesk {
    pub(crate) fn new(git: Arc<Git>, repositories: Arc<dyn Repositories>) -> Self {
        Self { git, repositories, sessions: Mutex::default() }
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<String, Arc<Session>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn expect(self: &Arc<Self>, session: Arc<Session>) -> Expected {
        let token = format!("{:032x}", rand::random::<u128>());
        self.sessions().insert(token.clone(), session);
        Expected { desk: Arc::clone(self), token }
    }

    /// Takes calls until `stop`; the calls themselves run in `tasks`.
    pub(crate) async fn serve(self: Arc<Self>, listener: UnixListener, tasks: TaskTracker, stop: CancellationToken) {
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = stop.cancelled() => return,
            };
            match accepted {
                Ok((hook, _)) => {
                    let desk = Arc::clone(&self);
                    tasks.spawn(async move {
                        if let Err(error) = desk.answer(hook).await {
                            tracing::warn!(%error, "A call of the git hook broke off");
                        }
                    });
                }
                Err(error) => {
                    tracing::error!(%error, "Could not take a call of the git hook");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    async fn answer(&self, hook: UnixStream) -> io::Result<()> {
        let (from_hook, to_hook) = hook.into_split();
        let mut from_hook = BufReader::new(from_hook);
        let mut call = String::new();
        let mut start = (&mut from_hook).take(CALL_BYTES);
        let read = start.read_line(&mut call);
        tokio::time::timeout(CALL_TIME, read).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        let (token, quarantine) = call.trim_end().split_once(' ').unwrap_or((call.trim_end(), ""));
        let session = self.sessions().remove(token);
        let Some(session) = session.filter(|session| session.begin()) else {
            return Ok(());
        };
        let (output, written) = Output::new(session.cancelled.clone());
        let decided = CancellationToken::new();
        let mut relaying = std::pin::pin!(relay(written, to_hook, &decided));
        let mut deciding =
            std::pin::pin!(session.decide(&self.git, &self.repositories, quarantine_name(quarantine), &output));
        let mut end_of_hook = [0; 1];
        let mut hook_lives = true;
        let verdict = loop {
            tokio::select! {
                verdict = &mut deciding => break verdict,
                _ = &mut relaying, if hook_lives => hook_lives = false,
                _ = from_hook.read(&mut end_of_hook), if hook_lives => hook_lives = false,
            }
            // The hook is gone: so is git, or the client.
            session.cancelled.cancel();
        };
        if !hook_lives {
            tracing::warn!(app.name = %session.app, ?verdict, "The git hook was gone before the verdict");
            return Ok(());
        }
        decided.cancel();
        let mut to_hook = relaying.await?;
        send(&mut to_hook, VERDICT, &[u8::from(verdict == Verdict::Rejected)]).await
    }
}

/// Passes output on; what was written before `decided` still goes out.
async fn relay<W: AsyncWrite + Unpin>(
    mut written: mpsc::Receiver<Bytes>,
    mut hook: W,
    decided: &CancellationToken,
) -> io::Result<W> {
    loop {
        let text = tokio::select! {
            text = written.recv() => text,
            () = decided.cancelled(), if !written.is_closed() => {
                written.close();
                continue;
            }
        };
        match text {
            Some(text) => send(&mut hook, OUTPUT, &text).await?,
            None => return Ok(hook),
        }
    }
}

async fn send(hook: &mut (impl AsyncWrite + Unpin), kind: u8, payload: &[u8]) -> io::Result<()> {
    for part in payload.chunks(1 << 16) {
        let mut frame = BytesMut::with_capacity(5 + part.len());
        frame.put_u8(kind);
        frame.put_u32(part.len() as u32);
        frame.put_slice(part);
        hook.write_all(&frame).await?;
    }
    Ok(())
}
