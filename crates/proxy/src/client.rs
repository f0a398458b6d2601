//! What is known of the connection that a request came by.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    Http,
    Https,
}

impl Scheme {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// The client's connection, as a request extension set by the listener.
#[derive(Debug, Clone)]
pub struct Client {
    pub peer: SocketAddr,
    pub scheme: Scheme,
    /// The listener's port, as the client addressed it.
    pub port: u16,
    stalled: Arc<AtomicBool>,
}

impl Client {
    pub fn new(peer: SocketAddr, scheme: Scheme, port: u16) -> Self {
        Self { peer, scheme, port, stalled: Arc::default() }
    }

    /// Notes that the client took no byte for too long, so that its
    /// connection is about to be cut.
    pub fn set_stalled(&self) {
        self.stalled.store(true, Ordering::Relaxed);
    }

    pub fn is_stalled(&self) -> bool {
        self.stalled.load(Ordering::Relaxed)
    }
}
