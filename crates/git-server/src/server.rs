//! The service: requests in, answers out.

use std::ffi::OsString;
use std::fmt::Display;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use domain::Secret;
use http::{HeaderMap, Request, Response, header};
use http_body::Body;
use nix::unistd::geteuid;
use tokio::net::UnixListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::answer::{self, GitBody};
use crate::config::Config;
use crate::hook_desk::HookDesk;
use crate::job::Job;
use crate::process::Git;
use crate::repositories::{Credentials, Repositories};
use crate::route::{Call, Route, Service};
use crate::sandbox::{self, Contents, Sandbox, SandboxError};
use crate::workplace::Workplaces;

const GIT_PLACES: [&str; 3] = ["/usr/bin/git", "/usr/local/bin/git", "/bin/git"];
const SOCKET: &str = "server.sock";

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("git is not installed: it is looked for at {}", GIT_PLACES.join(", "))]
    NoGit,
    #[error("the hook command is empty")]
    NoHookCommand,
    #[error("could not prepare `{}`", path.display())]
    Directory { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
}

/// The git server. Clones share it.
#[derive(Clone)]
pub struct GitServer(Arc<Shared>);

/// What all requests share.
pub(crate) struct Shared {
    pub(crate) git: Arc<Git>,
    pub(crate) desk: Arc<HookDesk>,
    pub(crate) repositories: Arc<dyn Repositories>,
    pub(crate) workplaces: Workplaces,
    /// The hook's socket, as the hook sees it.
    pub(crate) socket: PathBuf,
    pub(crate) config: Config,
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
    sessions: Arc<Semaphore>,
}

impl GitServer {
    /// Prepares the directories and the isolation, and waits for the hook's
    /// calls. Must be called inside a tokio runtime.
    pub fn start(mut config: Config, repositories: Arc<dyn Repositories>) -> Result<Self, StartError> {
        let absolute = |path: &Path| std::path::absolute(path).map_err(at(path));
        config.repositories = absolute(&config.repositories)?;
        config.run_dir = absolute(&config.run_dir)?;
        let program = GIT_PLACES.iter().map(Path::new).find(|path| path.exists()).ok_or(StartError::NoGit)?;
        let isolated = geteuid().is_root();
        let hook_dir = prepare_hook_dir(&config, isolated)?;
        let (hooks, sandbox) = if isolated {
            let scratch = config.run_dir.join("scratch");
            fs::create_dir_all(&scratch).map_err(at(&scratch))?;
            let contents = Contents {
                repositories: &config.repositories,
                hook_dir: &hook_dir,
                hook_program: Path::new(config.hook_command.first().ok_or(StartError::NoHookCommand)?),
                scratch: &scratch,
            };
            (PathBuf::from(sandbox::HOOK_DIR), Some(Arc::new(Sandbox::new(&contents)?)))
        } else {
            tracing::warn!("Git runs without isolation, because the server does not run as root");
            (hook_dir.clone(), None)
        };
        let listener = listen(&hook_dir.join(SOCKET))?;
        let git = Git::new(program.to_owned(), config.repositories.clone(), hooks.clone(), config.limits, sandbox);
        let git = Arc::new(git);
        let desk = Arc::new(HookDesk::new(Arc::clone(&git), Arc::clone(&repositories)));
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        tasks.spawn(Arc::clone(&desk).serve(listener, tasks.clone(), stop.clone()));
        Ok(Self(Arc::new(Shared {
            git,
            desk,
            repositories,
            workplaces: Workplaces::default(),
            socket: hooks.join(SOCKET),
            sessions: Arc::new(Semaphore::new(config.limits.sessions)),
            config,
            tasks,
            stop,
        })))
    }

    /// Cancels what is under way and returns when all of it has ended. A
    /// deploy has the time that the platform takes for its verdict.
    pub async fn shutdown(&self) {
        self.0.stop.cancel();
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }

    /// Answers a request to a path for which [`crate::is_git_path`] is true.
    pub async fn handle<B>(&self, request: Request<B>) -> Response<GitBody>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Display,
    {
        let route = match Route::of(&request) {
            Ok(route) => route,
            Err(no_route) => return no_route.into(),
        };
        let Some(credentials) = credentials(request.headers()) else {
            return answer::unauthorized("An API key is needed as password");
        };
        let opened = self.0.repositories.open(&route.app, &credentials, route.service.access()).await;
        let repository = match opened {
            Ok(repository) => repository,
            Err(refusal) => return refusal.into(),
        };
        let Ok(permit) = Arc::clone(&self.0.sessions).try_acquire_owned() else {
            return answer::busy("The git server is busy; try again in a moment");
        };
        let job = Job {
            shared: Arc::clone(&self.0),
            app: route.app,
            service: route.service,
            repository,
            protocol: protocol(request.headers(), route.service),
            _permit: permit,
        };
        let answered = match route.call {
            Call::Refs => job.refs(),
            Call::Exchange => job.exchange(request).await,
        };
        answered.unwrap_or_else(Response::from)
    }
}

/// The hook's directory: the script that git runs, and soon the socket.
fn prepare_hook_dir(config: &Config, isolated: bool) -> Result<PathBuf, StartError> {
    let (program, args) = config.hook_command.split_first().ok_or(StartError::NoHookCommand)?;
    let program = if isolated { sandbox::HOOK_PROGRAM.as_ref() } else { program.as_os_str() };
    let mut script = b"#!/bin/sh\nexec".to_vec();
    for word in [program].into_iter().chain(args.iter().map(OsString::as_os_str)) {
        script.extend_from_slice(b" '");
        for byte in word.as_bytes() {
            match byte {
                b'\'' => script.extend_from_slice(b"'\\''"),
                byte => script.push(*byte),
            }
        }
        script.push(b'\'');
    }
    script.extend_from_slice(b" pre-receive\n");
    let dir = config.run_dir.join("hooks");
    let prepare = || {
        fs::create_dir_all(&config.repositories)?;
        fs::create_dir_all(&config.run_dir)?;
        fs::set_permissions(&config.run_dir, fs::Permissions::from_mode(0o700))?;
        if dir.exists() {
            fs::remove_dir_all(&dir)?;
        }
        fs::create_dir(&dir)?;
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o755))?;
        let hook = dir.join("pre-receive");
        fs::write(&hook, &script)?;
        fs::set_permissions(&hook, fs::Permissions::from_mode(0o755))
    };
    prepare().map_err(at(&dir))?;
    Ok(dir)
}

/// Anyone inside may call: the token tells who.
fn listen(socket: &Path) -> Result<UnixListener, StartError> {
    let listener = UnixListener::bind(socket).map_err(at(socket))?;
    fs::set_permissions(socket, fs::Permissions::from_mode(0o666)).map_err(at(socket))?;
    Ok(listener)
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> StartError {
    let path = path.to_owned();
    |source| StartError::Directory { path, source }
}

fn credentials(headers: &HeaderMap) -> Option<Credentials> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    let decoded = scheme.eq_ignore_ascii_case("basic").then(|| BASE64_STANDARD.decode(encoded.trim()))?.ok()?;
    let (user, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some(Credentials { user: user.to_owned(), password: Secret::new(password) })
}

/// The protocol's version that a fetch asks for; pushes know only the first.
fn protocol(headers: &HeaderMap, service: Service) -> Option<&'static str> {
    let asked = headers.get("git-protocol")?.to_str().ok()?;
    let known = ["version=1", "version=2"].into_iter().find(|version| *version == asked);
    known.filter(|_| service == Service::UploadPack)
}
