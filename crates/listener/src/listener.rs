//! Accepts connections, finds out what they speak, and serves them.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use proxy::{Client, Scheme};
use router::Router;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service;

use crate::certificates::Fixed;
use crate::client_io::ClientIo;
use crate::dispatch::Dispatch;
use crate::prefixed::Prefixed;
use crate::rendezvous::{Opening, opening};
use crate::turn::Turn;
use crate::{CertificateError, Certificates, Limits, Names, Rendezvous};

/// All that a listener needs to serve. `platform` answers requests to the
/// platform's own names; `router` all others.
pub struct Listener<P> {
    pub names: Arc<Names>,
    pub certificates: Arc<Certificates>,
    pub router: Arc<Router>,
    pub platform: P,
    pub rendezvous: Arc<dyn Rendezvous>,
    pub limits: Limits,
}

/// What a connection's task knows.
struct Shared<P> {
    dispatch: Dispatch<P>,
    certificates: Arc<Certificates>,
    tls: Arc<ServerConfig>,
    rendezvous: Arc<dyn Rendezvous>,
    limits: Limits,
    stop: CancellationToken,
    /// The grace is over.
    cut: CancellationToken,
}

impl<P, B> Listener<P>
where
    P: Service<Request<Incoming>, Response = Response<B>, Error = Infallible, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static,
    B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + Unpin + 'static,
{
    /// Serves what connects to `sockets` until `stop`; then accepts no more,
    /// lets open requests end within [`Limits::grace`], and cuts the rest.
    pub async fn run(self, sockets: Vec<TcpListener>, stop: CancellationToken) -> Result<(), CertificateError> {
        let limits = self.limits;
        let shared = Arc::new(Shared {
            dispatch: Dispatch { names: self.names, router: self.router, platform: self.platform },
            tls: self.certificates.server_config()?,
            certificates: self.certificates,
            rendezvous: self.rendezvous,
            limits,
            stop: stop.clone(),
            cut: CancellationToken::new(),
        });
        let room = Arc::new(Semaphore::new(limits.connections));
        let connections = TaskTracker::new();
        let accepting = TaskTracker::new();
        for socket in sockets {
            let accept = accept(socket, shared.clone(), room.clone(), connections.clone());
            let stop = stop.clone();
            accepting.spawn(async move { stop.run_until_cancelled(accept).await });
        }
        stop.cancelled().await;
        accepting.close();
        accepting.wait().await;
        connections.close();
        if tokio::time::timeout(limits.grace, connections.wait()).await.is_err() {
            tracing::warn!(connections = connections.len(), "the grace is over: cutting open connections");
            shared.cut.cancel();
            connections.wait().await;
        }
        Ok(())
    }
}

async fn accept<P, B>(socket: TcpListener, shared: Arc<Shared<P>>, room: Arc<Semaphore>, connections: TaskTracker)
where
    P: Service<Request<Incoming>, Response = Response<B>, Error = Infallible, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static,
    B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + Unpin + 'static,
{
    /// Out of file descriptors: they come back when connections end.
    const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(50);
    loop {
        // Closed never: nothing closes this semaphore.
        let Ok(place) = room.clone().acquire_owned().await else { return };
        match socket.accept().await {
            Ok((stream, peer)) => {
                let shared = shared.clone();
                connections.spawn(async move {
                    let cut = shared.cut.clone();
                    if let Some(Err(error)) = cut.run_until_cancelled(shared.connection(stream, peer)).await {
                        tracing::debug!(%error, %peer, "a connection ended with an error");
                    }
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "could not accept a connection");
                tokio::time::sleep(PAUSE_AFTER_ERROR).await;
            }
        }
    }
}

impl<P, B> Shared<P>
where
    P: Service<Request<Incoming>, Response = Response<B>, Error = Infallible, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static,
    B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + Unpin + 'static,
{
    async fn connection(&self, stream: TcpStream, peer: SocketAddr) -> io::Result<()> {
        const TLS_HANDSHAKE_RECORD: u8 = 0x16;
        let reached = stream.local_addr()?;
        stream.set_nodelay(true)?;
        let mut first = [0];
        let peeked = tokio::time::timeout(self.limits.idle, stream.peek(&mut first));
        let Some(Ok(read)) = self.stop.run_until_cancelled(peeked).await else { return Ok(()) };
        if read? == 0 {
            return Ok(());
        }
        if first[0] != TLS_HANDSHAKE_RECORD {
            let client = Client::new(peer, Scheme::Http, reached.port());
            return self.http(stream, client, reached.ip()).await;
        }
        let handshake = tokio::time::timeout(self.limits.handshake, self.handshake(stream, reached.ip()));
        let mut stream = handshake.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        let opened = opening(&mut stream, self.limits.idle, self.limits.head);
        match self.stop.run_until_cancelled(opened).await.transpose()?.flatten() {
            Some(Opening::Http(prefix)) => {
                let client = Client::new(peer, Scheme::Https, reached.port());
                self.http(Prefixed::new(prefix, stream), client, reached.ip()).await
            }
            Some(Opening::Secret(secret, rest)) => {
                self.rendezvous.attach(secret, Box::new(Prefixed::new(rest, stream))).await;
                Ok(())
            }
            None => Ok(()),
        }
    }

    async fn handshake(&self, stream: TcpStream, reached: IpAddr) -> io::Result<TlsStream<TcpStream>> {
        let hello = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), stream).await?;
        if hello.client_hello().server_name().is_some() {
            return hello.into_stream(self.tls.clone()).await;
        }
        // Only here is it known which of our addresses the client verifies.
        let certified = self.certificates.for_address(reached).map_err(io::Error::other)?;
        let mut tls = ServerConfig::clone(&self.tls);
        tls.cert_resolver = Arc::new(Fixed(certified));
        hello.into_stream(Arc::new(tls)).await
    }

    async fn http<S>(&self, stream: S, client: Client, reached: IpAddr) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let turn = Arc::new(Turn::default());
        let io = ClientIo::new(stream, client.clone(), turn.clone(), self.limits);
        let service = service_fn(|request| self.dispatch.answer(request, &client, reached, &turn));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            // Also the time between two requests; `ClientIo` has a shorter one
            // for a head that has begun.
            .header_read_timeout(self.limits.idle)
            .max_headers(self.limits.headers)
            .preserve_header_case(true)
            .title_case_headers(true)
            .serve_connection(TokioIo::new(io), service)
            .with_upgrades();
        tokio::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = self.stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        ended.map_err(io::Error::other)
    }
}
