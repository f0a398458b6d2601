//! A listener with a router behind it, on a port of its own.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use domain::{AppId, DynoId};
use listener::{BoxedStream, Certificates, Listener, Names, Rendezvous};
use router::{AppRoute, AppState, Backend, RouteTable, Router};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::wire::{Dyno, Peer, in_time};

pub(crate) const SHOP: AppId = AppId(Uuid::from_u128(7));

pub(crate) struct Site {
    pub(crate) address: SocketAddr,
    pub(crate) router: Arc<Router>,
    table: watch::Sender<Arc<RouteTable>>,
    lines: tokio::sync::Mutex<mpsc::UnboundedReceiver<(AppId, String)>>,
    pub(crate) stop: CancellationToken,
    running: Mutex<Vec<JoinHandle<()>>>,
    pub(crate) tls_dir: tempfile::TempDir,
}

#[derive(Default)]
pub(crate) struct Config {
    pub(crate) router: router::Limits,
    pub(crate) listener: listener::Limits,
}

impl Site {
    pub(crate) async fn start() -> Self {
        Self::with(|_| ()).await
    }

    pub(crate) async fn with(edit: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        edit(&mut config);
        let (table, routes) = watch::channel(Arc::new(RouteTable::default()));
        let (sink, lines) = mpsc::unbounded_channel();
        let sink = Arc::new(move |app, line| {
            // The test may have ended.
            let _ = sink.send((app, line));
        });
        let router = Arc::new(Router::new(routes.clone(), config.router, sink));
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let names = Arc::new(Names::new([], ["localhost".to_owned()], [address]));
        let tls_dir = tempfile::tempdir().unwrap();
        let certificates = certificates(tls_dir.path(), names.clone(), routes);
        let listener = Listener {
            names,
            certificates: Arc::new(certificates),
            router: router.clone(),
            platform: axum::Router::new().fallback(platform),
            rendezvous: Arc::new(Shouting),
            limits: config.listener,
        };
        let stop = CancellationToken::new();
        let serving = tokio::spawn({
            let stop = stop.clone();
            async move { listener.run(vec![socket], stop).await.unwrap() }
        });
        let housekeeping = tokio::spawn({
            let (router, stop) = (router.clone(), stop.clone());
            async move { router.run(stop).await }
        });
        let running = Mutex::new(vec![serving, housekeeping]);
        Self { address, router, table, lines: lines.into(), stop, running, tls_dir }
    }

    /// The app `shop`, also known as `shop.example.com`, is in this state.
    pub(crate) fn shop(&self, state: AppState) {
        let domains = vec!["shop.example.com".parse().unwrap()];
        let route = AppRoute { app: SHOP, name: "shop".parse().unwrap(), domains, state };
        self.table.send_replace(Arc::new(RouteTable::new(&["localhost".to_owned()], [route])));
    }

    /// `shop` is served by these, `web.1` and so on, whose ids are 1 and so on.
    pub(crate) fn served_by(&self, addresses: &[SocketAddr]) {
        let backends = addresses.iter().zip(1..).map(|(address, number)| backend(number, *address));
        self.shop(AppState::Serving(backends.collect()));
    }

    /// One dyno that serves `shop`.
    pub(crate) async fn dyno(&self) -> Dyno {
        let dyno = Dyno::listen().await;
        self.served_by(&[dyno.address()]);
        dyno
    }

    pub(crate) async fn connect(&self) -> Peer {
        Peer::new(in_time("a connection", TcpStream::connect(self.address)).await.unwrap())
    }

    /// A client that has sent this.
    pub(crate) async fn sends(&self, bytes: impl AsRef<[u8]>) -> Peer {
        let mut client = self.connect().await;
        client.send(bytes).await;
        client
    }

    /// The next access line, without the parts that differ from run to run.
    pub(crate) async fn line(&self) -> String {
        let (app, line) = in_time("an access line", async { self.lines.lock().await.recv().await }).await.unwrap();
        assert_eq!(app, SHOP);
        line
    }

    /// Tells listener and router to stop, and waits until they have.
    pub(crate) async fn stopped(&self) {
        self.stop.cancel();
        let running = std::mem::take(&mut *self.running.lock().unwrap());
        for part in running {
            in_time("the site to stop", part).await.unwrap();
        }
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.stop.cancel();
        for part in self.running.lock().unwrap().drain(..) {
            part.abort();
        }
    }
}

pub(crate) fn certificates(dir: &Path, names: Arc<Names>, routes: watch::Receiver<Arc<RouteTable>>) -> Certificates {
    Certificates::open_or_create(dir, names, move |name| routes.borrow().find(name).is_some()).unwrap()
}

pub(crate) fn backend(number: u128, address: SocketAddr) -> Backend {
    Backend { dyno: dyno_id(number), name: format!("web.{number}").parse().unwrap(), address }
}

pub(crate) fn dyno_id(number: u128) -> DynoId {
    DynoId(Uuid::from_u128(number))
}

/// Says what it was asked and what it knows of the client.
async fn platform(request: axum::extract::Request) -> String {
    let peer = request.extensions().get::<SocketAddr>().map(|peer| peer.ip().to_string());
    let scheme = request.extensions().get::<http::uri::Scheme>().map(ToString::to_string);
    format!("platform {} {} {}", request.uri().path(), scheme.unwrap(), peer.unwrap())
}

/// Answers with the secret, then in capitals.
struct Shouting;

#[async_trait]
impl Rendezvous for Shouting {
    async fn attach(&self, secret: String, mut stream: BoxedStream) {
        stream.write_all(format!("rendezvous {secret}\r\n").as_bytes()).await.unwrap();
        let mut buffer = [0; 1024];
        loop {
            let read = stream.read(&mut buffer).await.unwrap_or(0);
            if read == 0 {
                stream.shutdown().await.unwrap();
                return;
            }
            stream.write_all(buffer[..read].to_ascii_uppercase().as_slice()).await.unwrap();
            stream.flush().await.unwrap();
        }
    }
}
