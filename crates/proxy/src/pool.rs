//! Unused connections to backends, kept for the next request.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::connect::Connection;

#[derive(Default)]
pub(crate) struct Pool {
    shelves: Mutex<HashMap<SocketAddr, Arc<Shelf>>>,
}

/// The unused connections of one backend. Once retired it takes none back:
/// whoever holds a connection of it closes it after use.
#[derive(Default)]
pub(crate) struct Shelf {
    retired: AtomicBool,
    idle: Mutex<Vec<(Connection, Instant)>>,
}

impl Pool {
    pub(crate) fn shelf(&self, backend: SocketAddr) -> Arc<Shelf> {
        locked(&self.shelves).entry(backend).or_default().clone()
    }

    /// Closes the unused connections of a backend, and those in use once
    /// their exchange is over.
    pub(crate) fn forget(&self, backend: SocketAddr) {
        if let Some(shelf) = locked(&self.shelves).remove(&backend) {
            shelf.retired.store(true, Ordering::SeqCst);
            locked(&shelf.idle).clear();
        }
    }

    /// Closes what nobody used for longer than `at_most`.
    pub(crate) fn sweep(&self, at_most: Duration) {
        let mut shelves = locked(&self.shelves);
        shelves.retain(|_, shelf| {
            let mut idle = locked(&shelf.idle);
            idle.retain(|(connection, since)| !connection.sender.is_closed() && since.elapsed() <= at_most);
            !idle.is_empty() || Arc::strong_count(shelf) > 1
        });
    }

    pub(crate) fn backends(&self) -> Vec<SocketAddr> {
        locked(&self.shelves).keys().copied().collect()
    }
}

impl Shelf {
    /// The youngest connection that is not older than `at_most` and can take
    /// a request at once.
    pub(crate) fn take(&self, at_most: Duration) -> Option<Connection> {
        let mut idle = locked(&self.idle);
        idle.retain(|(connection, _)| !connection.sender.is_closed());
        let at =
            idle.iter().rposition(|(connection, since)| connection.sender.is_ready() && since.elapsed() <= at_most)?;
        Some(idle.remove(at).0)
    }

    pub(crate) fn give_back(&self, connection: Connection, at_most: usize) {
        let mut idle = locked(&self.idle);
        // Read under the lock, so that `forget` either clears it or is seen.
        if !self.retired.load(Ordering::SeqCst) && !connection.sender.is_closed() && idle.len() < at_most {
            idle.push((connection, Instant::now()));
        }
    }
}

/// The data behind these locks is whole between any two statements, so a
/// panic elsewhere leaves nothing half done.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
