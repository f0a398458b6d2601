//! Opens a connection to a backend.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_util::task::TaskTracker;

use crate::request_body::RequestBody;
use crate::{Fault, Limits};

pub(crate) struct Connection {
    pub(crate) sender: http1::SendRequest<RequestBody>,
    /// Bytes that the backend has sent on it so far.
    pub(crate) received: Arc<AtomicU64>,
}

pub(crate) async fn connect(address: SocketAddr, limits: &Limits, drivers: &TaskTracker) -> Result<Connection, Fault> {
    let stream = match tokio::time::timeout(limits.connect, TcpStream::connect(address)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) if error.kind() == io::ErrorKind::TimedOut => return Err(Fault::ConnectTimedOut),
        Ok(Err(error)) => return Err(Fault::ConnectRefused(error.to_string())),
        Err(_) => return Err(Fault::ConnectTimedOut),
    };
    // Without it small writes wait for acknowledgements; a failure only costs time.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "could not set TCP_NODELAY");
    }
    let received = Arc::new(AtomicU64::new(0));
    let wire = Wire { stream, received: received.clone() };
    let (sender, connection) = http1::Builder::new()
        .preserve_header_case(true)
        .title_case_headers(true)
        .max_headers(limits.headers)
        .max_buf_size(limits.header_line_bytes.max(8192) * 2)
        .handshake(TokioIo::new(wire))
        .await
        .map_err(|error| Fault::ConnectRefused(error.to_string()))?;
    // It ends when its sender is dropped or the backend closes; what went
    // wrong on it is told to the request it carried.
    drivers.spawn(async move {
        if let Err(error) = connection.with_upgrades().await {
            tracing::trace!(%error, "a backend connection ended");
        }
    });
    Ok(Connection { sender, received })
}

/// The socket, counting what is read: tells "closed without a byte" from
/// "closed in the middle", which hyper's errors don't.
struct Wire {
    stream: TcpStream,
    received: Arc<AtomicU64>,
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(cx, buf);
        let more = buf.filled().len() - before;
        if more > 0 {
            self.received.fetch_add(more as u64, Ordering::Relaxed);
        }
        result
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
