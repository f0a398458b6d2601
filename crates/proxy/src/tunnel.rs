//! Bytes both ways between two upgraded connections.

use std::io;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::Instant;

use crate::Fault;

/// Both ends of a connection that the backend has agreed to switch. It stands
/// still until [`Tunnel::run`] is polled, which the caller must see to after
/// it has passed the 101 on.
#[must_use = "a tunnel carries nothing unless it is run"]
pub struct Tunnel {
    pub(crate) client: OnUpgrade,
    pub(crate) backend: OnUpgrade,
    pub(crate) idle: Duration,
}

#[derive(Debug)]
pub struct TunnelEnd {
    pub bytes_to_client: u64,
    /// `None`: both sides closed.
    pub fault: Option<Fault>,
}

impl Tunnel {
    /// Carries bytes until both sides have closed, one breaks off, or nothing
    /// moves for the idle limit.
    pub async fn run(self) -> TunnelEnd {
        let sides = tokio::time::timeout(self.idle, async { tokio::join!(self.client, self.backend) });
        let (client, backend) = match sides.await {
            Ok((Ok(client), Ok(backend))) => (client, backend),
            Ok((Err(_), _)) | Err(_) => return TunnelEnd { bytes_to_client: 0, fault: Some(Fault::ClientGone) },
            Ok((_, Err(_))) => return TunnelEnd { bytes_to_client: 0, fault: Some(Fault::ClosedInResponse) },
        };
        carry(client, backend, self.idle).await
    }
}

async fn carry(client: Upgraded, backend: Upgraded, idle: Duration) -> TunnelEnd {
    let (client_read, client_write) = tokio::io::split(TokioIo::new(client));
    let (backend_read, backend_write) = tokio::io::split(TokioIo::new(backend));
    let moved = Activity::new();
    let to_client = AtomicU64::new(0);
    let to_backend = AtomicU64::new(0);
    let both = async {
        tokio::try_join!(
            pump(client_read, backend_write, &moved, &to_backend),
            pump(backend_read, client_write, &moved, &to_client),
        )
    };
    let fault = tokio::select! {
        ended = both => match ended {
            // A peer that resets instead of closing is how most of them leave.
            Ok(_) | Err(_) => None,
        },
        () = moved.ceased_for(idle) => Some(Fault::BackendIdle),
    };
    TunnelEnd { bytes_to_client: to_client.load(Ordering::Relaxed), fault }
}

/// Copies until end of file, then closes the other side for writing.
async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    moved: &Activity,
    count: &AtomicU64,
) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            return to.shutdown().await;
        }
        moved.now();
        to.write_all(&buffer[..read]).await?;
        to.flush().await?;
        moved.now();
        count.fetch_add(read as u64, Ordering::Relaxed);
    }
}

struct Activity(Mutex<Instant>);

impl Activity {
    fn new() -> Self {
        Self(Mutex::new(Instant::now()))
    }

    fn now(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    async fn ceased_for(&self, idle: Duration) {
        loop {
            let deadline = *self.0.lock().unwrap_or_else(PoisonError::into_inner) + idle;
            if deadline <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(deadline).await;
        }
    }
}
