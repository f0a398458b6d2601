//! What answers behind the listener: the platform's own names get health, git
//! and the API; everything else is the router's.

use std::convert::Infallible;
use std::net::TcpListener as StdTcpListener;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use async_trait::async_trait;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use configuration::Configuration;
use git_server::GitServer;
use http::Request;
use hyper::body::Incoming;
use listener::{BoxedStream, Certificates, Listener, Names, OwnCertificate};
use platform::Platform;
use router::Router;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::data_dir::DataDir;
use crate::git::AppRepositories;

/// Open log streams and tunnels may hold up a stop for this long.
const LISTENER_GRACE: Duration = Duration::from_secs(3);

/// All that is served, before a socket accepts.
pub(crate) struct Serving {
    names: Arc<Names>,
    certificates: Arc<Certificates>,
    router: Arc<Router>,
    platform: Arc<Platform>,
    git: GitServer,
}

impl Serving {
    pub(crate) fn new(
        data_dir: &DataDir,
        platform: &Arc<Platform>,
        router: Arc<Router>,
        configuration: &Configuration,
        table: tokio::sync::watch::Receiver<Arc<router::RouteTable>>,
    ) -> anyhow::Result<Self> {
        let base_domains = platform.settings().base_domains();
        let host = configuration.platform_host();
        let names = Arc::new(Names::new([host], base_domains, configuration.listen.0.iter().copied()));
        let own = match (&configuration.tls_cert, &configuration.tls_key) {
            (Some(chain), Some(key)) => Some(OwnCertificate::open(chain, key)?),
            _ => None,
        };
        let certificates = Certificates::open_or_create(&data_dir.join("tls"), names.clone(), move |name| {
            table.borrow().find(name).is_some()
        })
        .context("could not make the local certificate authority ready")?
        .with_own(own);
        let program = std::env::current_exe().context("could not find the renga binary itself")?;
        let config = git_server::Config {
            repositories: data_dir.join("git"),
            run_dir: data_dir.join("run/git"),
            hook_command: vec![program.into_os_string(), "git-hook".into()],
            limits: git_server::Limits::default(),
        };
        let repositories = Arc::new(AppRepositories { platform: platform.clone() });
        let git = GitServer::start(config, repositories).context("could not make the git server ready")?;
        Ok(Self { names, certificates: Arc::new(certificates), router, platform: platform.clone(), git })
    }

    /// Serves until told to stop.
    pub(crate) async fn run(self, sockets: Vec<StdTcpListener>, stop: CancellationToken) -> anyhow::Result<()> {
        let sockets = sockets.into_iter().map(TcpListener::from_std).collect::<Result<Vec<_>, _>>()?;
        let authority = self.certificates.authority_path();
        let authority_pem =
            std::fs::read_to_string(authority).with_context(|| format!("could not read `{}`", authority.display()))?;
        let config =
            api::ApiConfig { authority_pem: Some(authority_pem), ..api::ApiConfig::new(self.platform.settings()) };
        let (api, git) = (api::router(self.platform.clone(), config), self.git);
        let git_at_end = git.clone();
        let rendezvous = Arc::new(RunRendezvous(self.platform.rendezvous()));
        let platform = tower::service_fn(move |request: Request<Incoming>| {
            let (api, git) = (api.clone(), git.clone());
            async move { Ok::<_, Infallible>(answer(api, git, request).await) }
        });
        let listener = Listener {
            names: self.names,
            certificates: self.certificates,
            router: self.router,
            platform,
            rendezvous,
            limits: listener::Limits { grace: LISTENER_GRACE, ..listener::Limits::default() },
        };
        // Pushes learn of the stop at once: the listener waits for their connections.
        let end_pushes = async {
            stop.cancelled().await;
            git_at_end.shutdown().await;
        };
        let (served, ()) = tokio::join!(listener.run(sockets, stop.clone()), end_pushes);
        served.context("could not serve TLS")
    }
}

async fn answer(api: axum::Router, git: GitServer, request: Request<Incoming>) -> Response {
    let path = request.uri().path();
    if path == "/healthz" {
        return "ok\n".into_response();
    }
    if git_server::is_git_path(path) {
        return git.handle(request).await.map(Body::new);
    }
    match api.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

struct RunRendezvous(Arc<platform::Rendezvous>);

#[async_trait]
impl listener::Rendezvous for RunRendezvous {
    async fn attach(&self, secret: String, stream: BoxedStream) {
        self.0.serve(&secret, stream).await;
    }
}
