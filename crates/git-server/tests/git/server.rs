//! The service on a free port, with a platform that does what a test says.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use domain::{AccountId, AppId, AppName};
use git_server::{
    Access, Config, Credentials, GitServer, Grant, Limits, Push, Refusal, Repositories, Repository, Verdict,
};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// A push that waits for the test's verdict.
pub(crate) struct Deploy {
    pub(crate) push: Push,
    verdict: oneshot::Sender<Verdict>,
}

impl Deploy {
    pub(crate) fn end(self, verdict: Verdict) {
        // The push may have been given up meanwhile.
        let _ = self.verdict.send(verdict);
    }
}

struct Platform {
    repositories: PathBuf,
    deploys: mpsc::UnboundedSender<Deploy>,
    sizes: Arc<Mutex<Vec<u64>>>,
}

#[async_trait]
impl Repositories for Platform {
    async fn open(&self, app: &AppName, credentials: &Credentials, access: Access) -> Result<Repository, Refusal> {
        match (credentials.password.expose(), access) {
            ("secret", _) | ("reader", Access::Read) => {}
            ("reader", Access::Push) => return Err(Refusal::Forbidden("You may only read this app".to_owned())),
            _ => return Err(Refusal::BadCredentials),
        }
        if app.as_str() == "no-such-app" {
            return Err(Refusal::NotFound);
        }
        let path = self.repositories.join(format!("{app}.git"));
        git_server::init(&path).unwrap();
        Ok(Repository { path, grant: Grant { app: AppId(uuid::Uuid::nil()), account: AccountId(uuid::Uuid::nil()) } })
    }

    async fn deploy(&self, push: Push) -> Verdict {
        let (verdict, decided) = oneshot::channel();
        self.deploys.send(Deploy { push, verdict }).unwrap_or_else(|_| panic!("no test waits for this push"));
        decided.await.expect("the test drops no deploy without a verdict")
    }

    async fn pushed(&self, _grant: Grant, size_bytes: u64) {
        self.sizes.lock().unwrap().push(size_bytes);
    }
}

pub(crate) struct Server {
    pub(crate) port: u16,
    pub(crate) git: GitServer,
    pub(crate) deploys: mpsc::UnboundedReceiver<Deploy>,
    pub(crate) sizes: Arc<Mutex<Vec<u64>>>,
    listening: JoinHandle<()>,
    data: TempDir,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let hook = vec![env!("CARGO_BIN_EXE_git-hook-for-tests").into()];
        Self::start_with(hook, Limits::default()).await
    }

    pub(crate) async fn start_with(hook_command: Vec<OsString>, limits: Limits) -> Self {
        // Directories of root that no one else may enter, as in the product.
        let data = tempfile::tempdir().unwrap();
        let (deploys, receiver) = mpsc::unbounded_channel();
        let sizes = Arc::default();
        let repositories = data.path().join("git");
        let platform = Platform { repositories: repositories.clone(), deploys, sizes: Arc::clone(&sizes) };
        let config = Config { repositories, run_dir: data.path().join("run/git"), hook_command, limits };
        let git = GitServer::start(config, Arc::new(platform)).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let service = git.clone();
        let listening = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                let git = service.clone();
                let serve = service_fn(move |request| {
                    let git = git.clone();
                    async move { Ok::<_, std::convert::Infallible>(git.handle(request).await) }
                });
                let connection =
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), serve);
                tokio::spawn(connection);
            }
        });
        Self { port, git, deploys: receiver, sizes, listening, data }
    }

    pub(crate) fn url(&self, app: &str, password: &str) -> String {
        format!("http://any:{password}@127.0.0.1:{}/{app}.git", self.port)
    }

    pub(crate) fn repository(&self, app: &str) -> PathBuf {
        self.data.path().join(format!("git/{app}.git"))
    }

    /// The next push that comes to the platform.
    pub(crate) async fn deploy(&mut self) -> Deploy {
        self.deploys.recv().await.unwrap()
    }

    /// What is left of pushes that did not end well: quarantines and locks.
    pub(crate) fn leftovers(&self, app: &str) -> Vec<String> {
        let mut found = Vec::new();
        let mut dirs = vec![self.repository(app)];
        while let Some(dir) = dirs.pop() {
            for entry in std::fs::read_dir(dir).unwrap() {
                let entry = entry.unwrap();
                let name = entry.file_name().into_string().unwrap();
                if entry.file_type().unwrap().is_dir() {
                    dirs.push(entry.path());
                }
                if name.contains("incoming") || name.contains("tmp_") || name.ends_with(".lock") {
                    found.push(name);
                }
            }
        }
        found
    }

    /// Ends it, and makes sure that nothing is under way any more.
    pub(crate) async fn end(self) {
        self.git.shutdown().await;
        self.listening.abort();
    }
}
