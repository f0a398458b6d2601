//! What speaks TLS but not HTTP: the other end of an attached dyno.
//!
//! `heroku run` opens TLS without a server name and writes one line, the
//! secret of its `attach_url`. HTTP clients use the same port, so the first
//! bytes decide: a line without a blank is a secret.

use std::io;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};

/// A connection's bytes both ways.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

pub type BoxedStream = Box<dyn Stream>;

/// Takes the clients of attached dynos.
#[async_trait]
pub trait Rendezvous: Send + Sync {
    /// Serves the client until either side is done. `secret` is what it wrote
    /// first, without the line's end; nothing has been written to it yet.
    /// An unknown secret is answered by returning, which closes. Shut the
    /// stream down at the end, so that the client sees a proper end of TLS.
    async fn attach(&self, secret: String, stream: BoxedStream);
}

/// What the first bytes tell.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Opening {
    /// A request line's method, or what hyper will refuse as one.
    Http(Bytes),
    /// The line, and what came after it.
    Secret(String, Bytes),
}

/// No secret is longer, no HTTP method either.
const LONGEST_LINE_BYTES: usize = 1024;

/// Reads as much as it takes to tell. `None`: the client closed, was too slow,
/// or wrote neither.
pub(crate) async fn opening(
    stream: &mut (impl AsyncRead + Unpin),
    idle: Duration,
    head: Duration,
) -> io::Result<Option<Opening>> {
    let mut bytes = BytesMut::with_capacity(LONGEST_LINE_BYTES);
    let Ok(first) = tokio::time::timeout(idle, stream.read_buf(&mut bytes)).await else { return Ok(None) };
    if first? == 0 {
        return Ok(None);
    }
    let rest = async {
        loop {
            match told(&bytes) {
                Told::Http => return Ok(Some(Opening::Http(bytes.freeze()))),
                Told::Secret { line_bytes, end_bytes } => {
                    let mut rest = bytes.freeze();
                    let line = rest.split_to(line_bytes);
                    let rest = rest.slice(end_bytes..);
                    return Ok(String::from_utf8(line.into()).ok().map(|secret| Opening::Secret(secret, rest)));
                }
                Told::TooLong => return Ok(None),
                Told::More => {}
            }
            if stream.read_buf(&mut bytes).await? == 0 {
                return Ok(None);
            }
        }
    };
    tokio::time::timeout(head, rest).await.unwrap_or(Ok(None))
}

enum Told {
    Http,
    Secret { line_bytes: usize, end_bytes: usize },
    TooLong,
    More,
}

fn told(bytes: &[u8]) -> Told {
    // Empty lines before a request are allowed (RFC 9112 section 2.2).
    if matches!(bytes.first(), Some(b'\r' | b'\n')) {
        return Told::Http;
    }
    match bytes.iter().position(|byte| matches!(byte, b' ' | b'\r' | b'\n')) {
        Some(at) if at > LONGEST_LINE_BYTES => Told::TooLong,
        Some(at) => match (bytes[at], bytes.get(at + 1)) {
            (b' ', _) => Told::Http,
            (b'\n', _) => Told::Secret { line_bytes: at, end_bytes: 1 },
            (_, Some(b'\n')) => Told::Secret { line_bytes: at, end_bytes: 2 },
            (_, Some(_)) => Told::Secret { line_bytes: at, end_bytes: 1 },
            (_, None) => Told::More,
        },
        None if bytes.len() > LONGEST_LINE_BYTES => Told::TooLong,
        None => Told::More,
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    const IDLE: Duration = Duration::from_secs(60);
    const HEAD: Duration = Duration::from_secs(10);

    /// What is told of bytes that come in these pieces.
    async fn opened(pieces: &[&[u8]], then_closes: bool) -> Option<Opening> {
        let (mut client, mut server) = tokio::io::duplex(8192);
        let read = tokio::spawn(async move { opening(&mut server, IDLE, HEAD).await.unwrap() });
        for piece in pieces {
            client.write_all(piece).await.unwrap();
            tokio::task::yield_now().await;
        }
        if then_closes {
            drop(client);
            return read.await.unwrap();
        }
        let opening = read.await.unwrap();
        drop(client);
        opening
    }

    #[tokio::test(start_paused = true)]
    async fn a_line_with_a_blank_is_http_and_one_without_is_a_secret() {
        let http = |bytes: &'static [u8]| Some(Opening::Http(Bytes::from_static(bytes)));
        let secret = |text: &str, rest: &'static [u8]| Some(Opening::Secret(text.to_owned(), Bytes::from_static(rest)));
        assert_eq!(opened(&[b"GET / HT"], false).await, http(b"GET / HT"));
        assert_eq!(opened(&[b"GE", b"T "], false).await, http(b"GET "));
        assert_eq!(opened(&[b"\r\nGET"], false).await, http(b"\r\nGET"));
        assert_eq!(opened(&[b"s3cr3t/x?y\r\nls -l\n"], false).await, secret("s3cr3t/x?y", b"ls -l\n"));
        assert_eq!(opened(&[b"s3c", b"r3t\r", b"\n"], false).await, secret("s3cr3t", b""));
        assert_eq!(opened(&[b"s3cr3t\nx"], false).await, secret("s3cr3t", b"x"));
    }

    #[tokio::test(start_paused = true)]
    async fn the_slow_the_endless_and_the_silent_are_given_up() {
        assert_eq!(opened(&[], false).await, None);
        assert_eq!(opened(&[], true).await, None);
        assert_eq!(opened(&[b"s3cr"], false).await, None);
        assert_eq!(opened(&[b"s3cr"], true).await, None);
        assert_eq!(opened(&[&[b'a'; 1025]], false).await, None);
        assert_eq!(opened(&[b"\xff\xfe\r\n"], false).await, None);
    }
}
