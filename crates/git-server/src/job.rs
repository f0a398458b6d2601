//! One request that runs git.

use std::fmt::Display;
use std::io;
use std::process::Stdio;
use std::sync::Arc;

use bytes::Bytes;
use domain::AppName;
use http::{Request, Response, StatusCode, header};
use http_body::Body;
use tokio::process::Command;
use tokio::sync::OwnedSemaphorePermit;

use crate::answer::{GitBody, channel_body, complain, complain_aside, git, pkt_line, plain};
use crate::exchange::{Answer, Ended, Exchange};
use crate::hook::{SOCKET_VARIABLE, TOKEN_VARIABLE};
use crate::process::Process;
use crate::refs::{Update, read_ref};
use crate::repositories::Repository;
use crate::repository::{needs_packing, set_head, size_bytes};
use crate::request::{RequestBody, RequestError};
use crate::route::Service;
use crate::server::Shared;
use crate::session::Session;
use crate::workplace::Work;

/// Beside the pack, a push's request holds the list of refs.
const PUSH_EXTRA_BYTES: u64 = 4 << 20;
/// What a fetch may ask for: wants and haves.
const FETCH_REQUEST_BYTES: u64 = 64 << 20;

pub(crate) struct Job {
    pub(crate) shared: Arc<Shared>,
    pub(crate) app: AppName,
    pub(crate) service: Service,
    pub(crate) repository: Repository,
    pub(crate) protocol: Option<&'static str>,
    /// Held until git has ended.
    pub(crate) _permit: OwnedSemaphorePermit,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum JobError {
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error("the request has not the content type that belongs to its path")]
    ContentType,
    #[error("could not run git")]
    Git(#[from] io::Error),
}

impl From<JobError> for Response<GitBody> {
    fn from(error: JobError) -> Self {
        match error {
            JobError::Git(error) => {
                tracing::error!(%error, "Could not run git for a request");
                plain(StatusCode::INTERNAL_SERVER_ERROR, "The git server failed; this is not your fault")
            }
            JobError::ContentType => plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, &error.to_string()),
            JobError::Request(RequestError::TooLarge(_)) => plain(StatusCode::PAYLOAD_TOO_LARGE, &error.to_string()),
            JobError::Request(_) => plain(StatusCode::BAD_REQUEST, &error.to_string()),
        }
    }
}

impl Job {
    /// The refs that there are, and what this server can do.
    pub(crate) fn refs(self) -> Result<Response<GitBody>, JobError> {
        let process = self.spawn(&mut self.command(true)?)?;
        let (answer, body) = channel_body();
        if self.protocol != Some("version=2") {
            let preamble = pkt_line(format!("# service={}\n", self.service.name()).as_bytes());
            let preamble: Bytes = [&preamble[..], b"0000"].concat().into();
            answer.try_send(Ok(preamble)).map_err(|_| io::Error::other("a new channel is full"))?;
        }
        let content_type = format!("application/x-{}-advertisement", self.service.name());
        let shared = Arc::clone(&self.shared);
        shared.tasks.spawn(self.run_alone::<http_body_util::Empty<Bytes>>(process, None, answer));
        Ok(git(&content_type, body))
    }

    /// The exchange of wants and packs.
    pub(crate) async fn exchange<B>(self, request: Request<B>) -> Result<Response<GitBody>, JobError>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Display,
    {
        let is = |name, value: &str| {
            let found = request.headers().get(name).and_then(|found| found.to_str().ok());
            found.is_some_and(|found| found.eq_ignore_ascii_case(value))
        };
        if !is(header::CONTENT_TYPE, &format!("application/x-{}-request", self.service.name())) {
            return Err(JobError::ContentType);
        }
        let gzip = is(header::CONTENT_ENCODING, "gzip") || is(header::CONTENT_ENCODING, "x-gzip");
        let limits = self.shared.config.limits;
        let limit = match self.service {
            Service::UploadPack => FETCH_REQUEST_BYTES,
            Service::ReceivePack => limits.push_bytes.saturating_add(PUSH_EXTRA_BYTES),
        };
        let mut request = RequestBody::new(request.into_body(), gzip, limit, limits.idle);
        let updates = match self.service {
            Service::UploadPack => Vec::new(),
            Service::ReceivePack => request.read_updates().await?,
        };
        let content_type = format!("application/x-{}-result", self.service.name());
        let (answer, body) = channel_body();
        let shared = Arc::clone(&self.shared);
        if updates.is_empty() {
            let process = self.spawn(&mut self.command(false)?)?;
            shared.tasks.spawn(self.run_alone(process, Some(request), answer));
        } else {
            let work = self.enter().await?;
            shared.tasks.spawn(self.push(request, updates, answer, work));
        }
        Ok(git(&content_type, body))
    }

    async fn push<B>(self, request: RequestBody<B>, updates: Vec<Update>, answer: Answer, work: Work)
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Display,
    {
        let session = Session::new(
            self.app.clone(),
            self.repository.clone(),
            updates,
            work.turns(),
            self.shared.stop.child_token(),
        );
        let session = Arc::new(session);
        let expected = self.shared.desk.expect(Arc::clone(&session));
        let spawned = self.command(false).and_then(|mut command| {
            command.env(SOCKET_VARIABLE, &self.shared.socket).env(TOKEN_VARIABLE, &expected.token);
            self.spawn(&mut command)
        });
        // The client is to hear the end only when the next push may start.
        let unheard = answer.clone();
        let ended = match spawned {
            Ok(process) => self.run(process, Some(request), answer, Some(&session)).await,
            Err(error) => {
                tracing::error!(app.name = %self.app, %error, "Could not run git for a push");
                // No one may be there to read it.
                let _ = answer.send(Ok(complain_aside("The git server failed"))).await;
                Ended::Badly
            }
        };
        drop(expected);
        if ended == Ended::Badly {
            work.litter();
        }
        self.follow_head(&session).await;
        session.release_turn();
        drop(unheard);
        self.pack().await;
        self.report_size().await;
    }

    /// What is no push needs nothing but the exchange.
    async fn run_alone<B>(self, process: Process, body: Option<RequestBody<B>>, answer: Answer)
    where
        B: Body<Data = Bytes> + Unpin,
        B::Error: Display,
    {
        // The client is to hear the end only when its next request has room.
        let unheard = answer.clone();
        self.run(process, body, answer, None).await;
        drop(self);
        drop(unheard);
    }

    /// Passes bytes between client and git until both have done.
    async fn run<B>(
        &self,
        process: Process,
        body: Option<RequestBody<B>>,
        answer: Answer,
        session: Option<&Session>,
    ) -> Ended
    where
        B: Body<Data = Bytes> + Unpin,
        B::Error: Display,
    {
        let exchange = Exchange {
            process,
            body,
            answer,
            complaint: if session.is_some() { complain_aside } else { complain },
            session,
            stop: &self.shared.stop,
            idle: self.shared.config.limits.idle,
        };
        exchange.run().await.unwrap_or_else(|error| {
            tracing::error!(app.name = %self.app, %error, "The exchange with git broke off");
            Ended::Badly
        })
    }

    fn command(&self, advertise: bool) -> io::Result<Command> {
        let advertise = advertise.then_some("--advertise-refs");
        let args = [self.service.command(), "--stateless-rpc"].into_iter().chain(advertise).chain(["."]);
        let mut command = self.shared.git.command(&self.repository.path, args)?;
        if let Some(protocol) = self.protocol {
            command.env("GIT_PROTOCOL", protocol);
        }
        Ok(command)
    }

    fn spawn(&self, command: &mut Command) -> io::Result<Process> {
        Process::spawn(command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()))
    }

    async fn enter(&self) -> io::Result<Work> {
        let place = self.shared.workplaces.of(&self.repository.path);
        blocking(move || place.enter()).await
    }

    /// After a deploy a clone shall get what was deployed.
    async fn follow_head(&self, session: &Session) {
        let Some(update) = session.deployed().cloned() else { return };
        let path = self.repository.path.clone();
        let follow = move || match update.name.deploys() {
            Some(branch) if read_ref(&path, &update.name)? == Some(update.new) => set_head(&path, branch),
            _ => Ok(()),
        };
        if let Err(error) = blocking(follow).await {
            tracing::warn!(app.name = %self.app, %error, "Could not set the HEAD of a repository");
        }
    }

    /// Packs what has gathered, now and then. Nothing depends on it.
    async fn pack(&self) {
        let path = self.repository.path.clone();
        let packed = async {
            if !blocking(move || needs_packing(&path)).await? {
                return Ok(());
            }
            let mut command = self.shared.git.command(&self.repository.path, ["gc", "--quiet"])?;
            command.stdout(Stdio::null()).stderr(Stdio::null());
            let mut process = Process::spawn(&mut command)?;
            let status = tokio::select! {
                status = process.wait() => status?,
                () = self.shared.stop.cancelled() => process.terminate().await?,
            };
            if status.success() { Ok(()) } else { Err(io::Error::other(format!("git gc ended with {status}"))) }
        };
        if let Err(error) = packed.await {
            tracing::warn!(app.name = %self.app, %error, "Could not pack a repository");
        }
    }

    async fn report_size(&self) {
        let path = self.repository.path.clone();
        match blocking(move || size_bytes(&path)).await {
            Ok(size) => self.shared.repositories.pushed(self.repository.grant, size).await,
            Err(error) => tracing::warn!(app.name = %self.app, %error, "Could not measure a repository"),
        }
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}
