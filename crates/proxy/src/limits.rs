//! The numbers that bound an exchange.

use std::time::Duration;

/// How long each phase of an exchange may take, and how large a response's
/// head may be. The defaults are those that Heroku documents.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Until the TCP connection to the backend stands.
    pub connect: Duration,
    /// From the last byte of the request to the first of the response.
    pub first_byte: Duration,
    /// Between any two bytes of an exchange, either way, and of a tunnel.
    pub idle: Duration,
    /// An unused connection to a backend is closed after this time.
    pub pooled: Duration,
    /// A request that must not be sent twice takes an unused connection only
    /// if it is younger than this: the backend may be closing an older one.
    pub pooled_for_unrepeatable: Duration,
    /// Unused connections kept per backend.
    pub pooled_per_backend: usize,
    /// One response header line, in bytes.
    pub header_line_bytes: usize,
    /// One `Set-Cookie` line of a response, in bytes.
    pub cookie_bytes: usize,
    /// The status line of a response, in bytes.
    pub status_line_bytes: usize,
    /// Header lines in a response.
    pub headers: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            first_byte: Duration::from_secs(30),
            idle: Duration::from_secs(55),
            pooled: Duration::from_secs(90),
            pooled_for_unrepeatable: Duration::from_secs(1),
            pooled_per_backend: 256,
            header_line_bytes: 512 * 1024,
            cookie_bytes: 8192,
            status_line_bytes: 8192,
            headers: 1000,
        }
    }
}
