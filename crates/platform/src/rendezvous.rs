//! Where the client of `heroku run` and its dyno find each other: the API hands
//! out a secret, the client comes to the listener with it.
//!
//! The protocol is Heroku's: after the client's line with the secret the server
//! answers `rendezvous\r\n`; from then on bytes pass unchanged in both
//! directions. The official CLI throws away the first chunk it receives,
//! whatever it holds, so the answer is sent alone.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ring::rand::{SecureRandom, SystemRandom};
use runtime::Attachment;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::oneshot;
use tokio::time::timeout;

/// A client must come within this time after the dyno was asked for.
pub(crate) const CLIENT_WAIT: Duration = Duration::from_secs(60);
/// No output for this long ends the session (Heroku: 1 hour).
const IDLE: Duration = Duration::from_secs(3600);
/// Long enough for the answer to arrive as a chunk of its own.
const PAUSE_AFTER_ANSWER: Duration = Duration::from_millis(60);
/// What the CLI sends for the end of its stdin.
const END_OF_TRANSMISSION: u8 = 4;
/// If nothing follows it for this long, it was the end.
const END_SETTLES: Duration = Duration::from_millis(200);

/// With `heroku run --exit-code` the CLI makes the command print this and its
/// status at its end, and looks for it in the output.
const STATUS_MARK: &str = "\u{FFFF} heroku-command-exit-status: ";
/// How long a dyno's exit status may come after the end of its output.
const STATUS_WAIT: Duration = Duration::from_secs(5);

struct Waiting {
    attachment: Attachment,
    terminal: bool,
    status: Option<oneshot::Receiver<i32>>,
}

/// The command itself, and whether the client that gave it wants to find the
/// status in the output. `renga run` asks with the mark alone, as a comment at
/// the end, which is not part of the command.
pub(crate) fn without_status_mark(command: &str) -> (&str, bool) {
    let mark = STATUS_MARK.trim_end();
    let comment = command.trim_end().strip_suffix(mark).and_then(|command| command.strip_suffix(" # "));
    (comment.unwrap_or(command), command.contains(mark))
}

/// Attached dynos whose client has not come yet, by secret.
#[derive(Default)]
pub struct Rendezvous(Mutex<HashMap<String, Waiting>>);

impl Rendezvous {
    /// Keeps an attachment for the client that brings the returned secret.
    /// `status`: to be told at the end, if the command did not come to tell it
    /// (`exit 3`, killed).
    pub(crate) fn expect(
        &self,
        attachment: Attachment,
        terminal: bool,
        status: Option<oneshot::Receiver<i32>>,
    ) -> std::io::Result<String> {
        let mut bytes = [0; 24];
        SystemRandom::new().fill(&mut bytes).map_err(|_| std::io::Error::other("the system gives no random bytes"))?;
        let secret: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        self.lock().insert(secret.clone(), Waiting { attachment, terminal, status });
        Ok(secret)
    }

    /// Gives up on a client; the dyno behind the secret is hung up on.
    pub(crate) fn forget(&self, secret: &str) -> bool {
        self.lock().remove(secret).is_some()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Waiting>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves a client that came with a secret, to the end of the session.
    /// An unknown secret is closed without a word.
    pub async fn serve<S: AsyncRead + AsyncWrite + Send + Unpin>(&self, secret: &str, stream: S) {
        let Some(waiting) = self.lock().remove(secret) else { return };
        if let Err(error) = session(waiting, stream).await {
            tracing::debug!(%error, "A run session ended early");
        }
    }
}

async fn session<S: AsyncRead + AsyncWrite + Send + Unpin>(waiting: Waiting, mut stream: S) -> std::io::Result<()> {
    stream.write_all(b"rendezvous\r\n").await?;
    stream.flush().await?;
    tokio::time::sleep(PAUSE_AFTER_ANSWER).await;
    let Waiting { attachment: Attachment { mut input, mut output }, terminal, status } = waiting;
    let (mut from_client, mut to_client) = tokio::io::split(stream);
    let inward = async {
        let ended = copy_input(&mut from_client, &mut input, terminal).await?;
        if ended == InputEnd::EndOfFile {
            input.shutdown().await?;
            std::future::pending::<()>().await; // the output decides the end
        }
        Ok::<_, std::io::Error>(())
    };
    let outward = async {
        let mut buffer = vec![0; 16 * 1024];
        let mut last = Vec::new();
        loop {
            let count = match timeout(IDLE, output.read(&mut buffer)).await {
                // A terminal whose last process is gone reads as an I/O error.
                Ok(Ok(0) | Err(_)) | Err(_) => break,
                Ok(Ok(count)) => count,
            };
            to_client.write_all(&buffer[..count]).await?;
            to_client.flush().await?;
            keep_last(&mut last, &buffer[..count]);
        }
        if let Some(status) = status
            && !String::from_utf8_lossy(&last).contains(STATUS_MARK)
            && let Ok(Ok(status)) = timeout(STATUS_WAIT, status).await
        {
            to_client.write_all(format!("{STATUS_MARK}{status}\r\n").as_bytes()).await?;
        }
        to_client.shutdown().await
    };
    tokio::select! {
        result = inward => result,
        result = outward => result,
    }
}

/// Keeps the end of what was written, long enough for the mark and a status.
fn keep_last(last: &mut Vec<u8>, written: &[u8]) {
    const KEPT: usize = 128;
    last.extend_from_slice(&written[written.len().saturating_sub(KEPT)..]);
    last.drain(..last.len().saturating_sub(KEPT));
}

#[derive(PartialEq, Eq)]
enum InputEnd {
    /// The client's stdin ended; it still wants the output.
    EndOfFile,
    /// The client is gone.
    HungUp,
}

async fn copy_input<R, W>(client: &mut R, input: &mut W, terminal: bool) -> std::io::Result<InputEnd>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin + ?Sized,
{
    let mut buffer = vec![0; 16 * 1024];
    let mut count = client.read(&mut buffer).await?;
    loop {
        let Some((last, before)) = buffer[..count].split_last() else { return Ok(InputEnd::HungUp) };
        // A terminal's line discipline makes of this byte what it should be. In
        // a pipe it is the end if nothing comes after it, else it is data.
        if !terminal && *last == END_OF_TRANSMISSION {
            input.write_all(before).await?;
            let mut next = vec![0; buffer.len()];
            match timeout(END_SETTLES, client.read(&mut next)).await {
                Err(_) | Ok(Ok(0)) => return Ok(InputEnd::EndOfFile),
                Ok(more) => count = more?,
            }
            input.write_all(&[END_OF_TRANSMISSION]).await?;
            buffer = next;
            continue;
        }
        input.write_all(&buffer[..count]).await?;
        input.flush().await?;
        count = client.read(&mut buffer).await?;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_status_that_the_command_did_not_tell_is_told_at_the_end() {
        for (written, expected) in [
            ("hi\n", "hi\n\u{FFFF} heroku-command-exit-status: 3\r\n"),
            ("\u{FFFF} heroku-command-exit-status: 0\n", "\u{FFFF} heroku-command-exit-status: 0\n"),
        ] {
            let (mut dyno, platform_side) = tokio::io::duplex(1024);
            let (output, input) = tokio::io::split(platform_side);
            let attachment = Attachment { input: Box::new(input), output: Box::new(output) };
            let (tell, status) = oneshot::channel();
            let waiting = Waiting { attachment, terminal: true, status: Some(status) };
            let (mut client, server) = tokio::io::duplex(1024);
            let serving = tokio::spawn(session(waiting, server));
            dyno.write_all(written.as_bytes()).await.unwrap();
            dyno.shutdown().await.unwrap();
            tell.send(3).unwrap();
            let mut heard = String::new();
            client.read_to_string(&mut heard).await.unwrap();
            assert_eq!(heard, format!("rendezvous\r\n{expected}"));
            serving.await.unwrap().unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn client_and_dyno_exchange_bytes_until_the_output_ends() {
        let rendezvous = Arc::new(Rendezvous::default());
        let (dyno_side, platform_side) = tokio::io::duplex(1024);
        let (output, input) = tokio::io::split(platform_side);
        let secret =
            rendezvous.expect(Attachment { input: Box::new(input), output: Box::new(output) }, false, None).unwrap();
        let (client, server) = tokio::io::duplex(1024);
        let serving = tokio::spawn(async move { rendezvous.serve(&secret, server).await });

        let (mut client_reader, mut client_writer) = tokio::io::split(client);
        let mut answer = [0; 12];
        client_reader.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"rendezvous\r\n");
        client_writer.write_all(b"hello\x04").await.unwrap();
        let (mut dyno_reader, mut dyno_writer) = tokio::io::split(dyno_side);
        let mut heard = String::new();
        dyno_reader.read_to_string(&mut heard).await.unwrap();
        assert_eq!(heard, "hello");
        dyno_writer.write_all(b"bye").await.unwrap();
        dyno_writer.shutdown().await.unwrap();
        let mut said = String::new();
        client_reader.read_to_string(&mut said).await.unwrap();
        assert_eq!(said, "bye");
        serving.await.unwrap();
    }

    #[test]
    fn a_comment_that_asks_for_the_status_is_not_part_of_the_command() {
        let mark = STATUS_MARK.trim_end();
        assert_eq!(without_status_mark("worker"), ("worker", false));
        assert_eq!(without_status_mark(&format!("worker # {mark}")), ("worker", true));
        let echoed = format!("worker; echo \"{STATUS_MARK}$?\"");
        assert_eq!(without_status_mark(&echoed), (echoed.as_str(), true));
    }

    #[tokio::test]
    async fn an_unknown_secret_is_closed() {
        let (mut client, server) = tokio::io::duplex(64);
        Rendezvous::default().serve("nope", server).await;
        assert_eq!(client.read(&mut [0; 8]).await.unwrap(), 0);
    }
}
