//! The numbers that bound a client's connection.

use std::time::Duration;

#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections open at once; further ones wait to be accepted.
    pub connections: usize,
    /// A connection without a request, the first or the next.
    pub idle: Duration,
    /// The TLS handshake.
    pub handshake: Duration,
    /// From the first byte of a request's head to its end; also of the
    /// rendezvous line.
    pub head: Duration,
    /// A client that takes no byte of an answer.
    pub stalled: Duration,
    /// Header lines in a request.
    pub headers: usize,
    /// How long open requests may go on once the listener is told to stop.
    pub grace: Duration,
    /// After an answer that came before the whole request: how long the rest
    /// of the request is read and thrown away, so that the client, still
    /// sending, gets to read the answer.
    pub linger: Duration,
    /// The same in bytes.
    pub linger_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 16_384,
            idle: Duration::from_secs(60),
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(10),
            stalled: Duration::from_secs(55),
            headers: 1000,
            grace: Duration::from_secs(10),
            linger: Duration::from_secs(2),
            linger_bytes: 8 * 1024 * 1024,
        }
    }
}
