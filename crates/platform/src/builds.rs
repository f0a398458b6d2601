//! Builds: begin, follow, cancel.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use builder::{Source, SourceOrigin};
use domain::account::Account;
use domain::build::{Build, BuildEvent, BuildState};
use domain::buildpack::BuildpackRef;
use domain::release::Release;
use domain::{AccountId, App, AppId, BuildId, WorkflowId};
use store::NewBuild;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use workflow::Failure;

use crate::deploy::{self, Context, DeployError, Work};
use crate::error::{PlatformError, Resource};
use crate::signed::Purpose;
use crate::transcript::{OutputStream, Transcript, TranscriptId};
use crate::{Caller, Platform};

pub struct Builds<'a> {
    pub(crate) platform: &'a Arc<Platform>,
}

/// A build by the API, from a tarball.
#[derive(Debug, Clone)]
pub struct BuildRequest {
    /// Of `POST /sources`.
    pub source_url: String,
    /// `SHA256:` and 64 hexadecimal digits, or the digits alone.
    pub checksum: Option<String>,
    pub version: Option<String>,
    pub version_description: Option<String>,
    /// For this build only; none: the app's.
    pub buildpacks: Vec<BuildpackRef>,
}

/// What is to be deployed.
pub struct NewDeploy {
    pub source: Source,
    pub origin: SourceOrigin,
    /// The commit, or what the client calls this source.
    pub version: Option<String>,
    pub description: Option<String>,
    /// For this build only; none: the app's.
    pub buildpacks: Vec<BuildpackRef>,
}

/// A deploy that goes on beside the caller.
pub struct Deploying {
    pub build: Build,
    /// What a push shows, to the end of the deploy.
    pub output: OutputStream,
    outcome: oneshot::Receiver<Outcome>,
    cancel: CancellationToken,
}

/// How a deploy ended.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// A release was made; its release command may have failed all the same.
    Released(Release),
    /// The output says why.
    Failed,
    Cancelled,
}

/// Deploys that go on, and whose turn it is within an app.
#[derive(Default)]
pub(crate) struct Ongoing {
    cancel: Mutex<HashMap<BuildId, (AppId, CancellationToken)>>,
    turns: Mutex<HashMap<AppId, Arc<tokio::sync::Mutex<()>>>>,
}

impl Ongoing {
    pub(crate) fn turn(&self, app: AppId) -> Arc<tokio::sync::Mutex<()>> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner).entry(app).or_default().clone()
    }

    fn begin(&self, app: AppId, build: BuildId) -> CancellationToken {
        let token = CancellationToken::new();
        self.cancel.lock().unwrap_or_else(PoisonError::into_inner).insert(build, (app, token.clone()));
        token
    }

    fn end(&self, build: BuildId) {
        self.cancel.lock().unwrap_or_else(PoisonError::into_inner).remove(&build);
    }

    fn cancel(&self, build: BuildId) -> bool {
        let all = self.cancel.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&build).map(|(_, token)| token.cancel()).is_some()
    }

    /// Stops all builds of an app.
    pub(crate) fn cancel_all(&self, app: AppId) {
        let all = self.cancel.lock().unwrap_or_else(PoisonError::into_inner);
        all.values().filter(|(home, _)| *home == app).for_each(|(_, token)| token.cancel());
    }

    pub(crate) fn forget(&self, app: AppId) {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner).remove(&app);
    }
}

impl Deploying {
    /// Waits for the end. Dropping this does not stop the deploy.
    pub async fn outcome(self) -> Outcome {
        self.outcome.await.unwrap_or(Outcome::Failed)
    }

    /// A way to stop the deploy while it can still be stopped: until its release is made.
    pub fn cancel_token(&self) -> CancellationToken {
        self.cancel.clone()
    }
}

impl Builds<'_> {
    /// Newest first.
    pub async fn list(&self, app: &App) -> Result<Vec<Build>, PlatformError> {
        Ok(self.platform.store.builds().list(app.id).await?)
    }

    pub async fn find(&self, app: &App, id: &str) -> Result<Build, PlatformError> {
        let not_found = || PlatformError::NotFound(Resource::Build);
        let id: BuildId = id.parse().map_err(|_| not_found())?;
        self.platform.store.builds().by_id(id).await?.filter(|build| build.app == app.id).ok_or_else(not_found)
    }

    /// Begins a build of a tarball that was put to one of our sources.
    pub async fn create(&self, caller: &Caller, app: &App, request: BuildRequest) -> Result<Build, PlatformError> {
        self.platform.buildpacks().check(&request.buildpacks)?;
        let secret = self.own_source(&request.source_url)?;
        let file = self.platform.sources().get(secret).await?;
        let file = match request.checksum {
            Some(checksum) => checked(file, &checksum).await?,
            None => file,
        };
        let source: Source = Box::new(file);
        let new = NewDeploy {
            source,
            origin: SourceOrigin::Archive,
            version: request.version,
            description: request.version_description,
            buildpacks: request.buildpacks,
        };
        Ok(self.deploy(&caller.account, app, new).await?.build)
    }

    /// The secret of one of our own source URLs, by whatever name the platform was called.
    fn own_source<'u>(&self, url: &'u str) -> Result<&'u str, PlatformError> {
        let path =
            url.split_once("://").and_then(|(_, rest)| rest.find('/').map(|slash| &rest[slash..])).unwrap_or(url);
        path.strip_prefix("/sources/").filter(|secret| !secret.contains('/')).ok_or_else(|| {
            let text = "source_blob.url must be a URL that `POST /sources` gave: put the tarball there first. Other servers are not read.";
            PlatformError::Invalid(text.to_owned())
        })
    }

    /// [`Self::deploy`] for who was let in before: a push takes its time, and
    /// `NotFound` is for an app or account that went away meanwhile.
    pub async fn deploy_granted(
        &self,
        account: AccountId,
        app: AppId,
        new: NewDeploy,
    ) -> Result<Deploying, PlatformError> {
        let store = &self.platform.store;
        let account = store.accounts().by_id(account).await?.ok_or(PlatformError::NotFound(Resource::Account))?;
        let app = store.apps().by_id(app).await?.ok_or(PlatformError::NotFound(Resource::App))?;
        self.deploy(&account, &app, new).await
    }

    /// Begins a deploy: build, release, release command. It goes on beside the caller.
    pub async fn deploy(&self, account: &Account, app: &App, new: NewDeploy) -> Result<Deploying, PlatformError> {
        let platform = self.platform;
        let NewDeploy { source, origin, version, description, buildpacks } = new;
        let buildpacks = match buildpacks.is_empty() {
            true => platform.store.buildpacks().list(app.id).await?,
            false => buildpacks,
        };
        let new = NewBuild {
            app: app.id,
            user: account.id,
            stack: app.build_stack.clone(),
            buildpacks,
            source_version: version.clone(),
            source_description: description.clone(),
        };
        let build = platform.store.builds().create(new, platform.now()).await?;
        let id = TranscriptId { app: app.id, id: build.id.0 };
        let transcript = platform.transcripts.create(id, None).map_err(anyhow::Error::from)?;
        let output = platform.growing(id)?;
        let cancel = platform.ongoing.begin(app.id, build.id);
        platform.announce(app.id, &format!("Build started by user {}", account.email));
        let mut work = Work::new(source, origin, transcript, cancel.clone(), account.email.to_string());
        work.commit = version;
        work.commit_description = description;
        let (done, outcome) = oneshot::channel();
        let (runner, context) = (platform.clone(), Context::new(app.id, build.id));
        platform.background.spawn(async move {
            let build = context.build;
            let outcome = runner.run_deploy(context, Arc::new(work)).await;
            runner.ongoing.end(build);
            let _ = done.send(outcome); // a caller by the API does not wait for it
        });
        Ok(Deploying { build, output, outcome, cancel })
    }

    /// Stops a build that goes on.
    pub async fn cancel(&self, caller: &Caller, app: &App, build: &Build) -> Result<Build, PlatformError> {
        if build.state != BuildState::Pending || !self.platform.ongoing.cancel(build.id) {
            return Err(PlatformError::Conflict(format!("Build {} has ended already.", build.id)));
        }
        self.platform.announce(app.id, &format!("Build cancelled by user {}", caller.account.email));
        Ok(build.clone())
    }

    /// Throws the app's build cache away; the next build starts from nothing.
    pub async fn delete_cache(&self, app: &App) -> Result<(), PlatformError> {
        let _turn = self.platform.ongoing.turn(app.id).lock_owned().await;
        self.platform.builder.purge_cache(app.id).await.map_err(|error| PlatformError::Internal(error.into()))
    }

    /// What stands in the URL under which the output can be read by whoever has it.
    pub fn output_secret(&self, build: &Build) -> String {
        let id = TranscriptId { app: build.app, id: build.id.0 };
        self.platform.signer.sign(Purpose::BuildOutput, &id.to_string())
    }

    pub async fn output_by_secret(&self, secret: &str) -> Result<OutputStream, PlatformError> {
        self.platform.signed_transcript(Purpose::BuildOutput, secret, Resource::Build)
    }
}

impl Platform {
    fn growing(&self, id: TranscriptId) -> Result<OutputStream, PlatformError> {
        let stream = self.transcripts.follow(id).map_err(anyhow::Error::from)?;
        stream.ok_or(PlatformError::NotFound(Resource::Build))
    }

    async fn run_deploy(self: &Arc<Self>, mut context: Context, work: Arc<Work>) -> Outcome {
        let turn = self.ongoing.turn(context.app);
        let _turn = match turn.clone().try_lock_owned() {
            Ok(turn) => turn,
            Err(_) => {
                work.transcript.line(" !     Another deploy of this app goes on; this one waits for its turn.");
                tokio::select! {
                    turn = turn.lock_owned() => turn,
                    () = work.cancel.cancelled() => return self.cancelled_in_the_queue(&context).await,
                }
            }
        };
        let steps = deploy::workflow(self, Some(work.clone()));
        let id = WorkflowId(uuid::Uuid::new_v4());
        let ended = steps.run(&self.store, id, &mut context).await;
        match ended {
            Ok(()) => match self.release_of_deploy(&context).await {
                Ok(Some(release)) => Outcome::Released(release),
                Ok(None) => Outcome::Failed,
                Err(error) => {
                    tracing::error!(build.id = %context.build, %error, "The release of a deploy can't be read");
                    Outcome::Failed
                }
            },
            Err(failure) => self.deploy_failed(&context, &work.transcript, failure),
        }
    }

    async fn cancelled_in_the_queue(&self, context: &Context) -> Outcome {
        self.announce(context.app, "Build cancelled");
        let ended = self.store.builds().finish(context.build, BuildEvent::Failed, None, None, self.now()).await;
        if let Err(error) = ended {
            tracing::error!(build.id = %context.build, %error, "Could not note that a build was cancelled");
        }
        Outcome::Cancelled
    }

    fn deploy_failed(&self, context: &Context, transcript: &Transcript, failure: Failure<DeployError>) -> Outcome {
        let Failure::Undone { source, .. } = &failure else {
            self.deploy_stuck(context, transcript, &failure);
            return Outcome::Failed;
        };
        match source {
            DeployError::Cancelled => {
                self.announce(context.app, "Build cancelled");
                return Outcome::Cancelled;
            }
            // The builder has said why.
            DeployError::Refused => {}
            DeployError::Builder(error) => {
                let error = crate::reconcile::error_chain(error);
                tracing::error!(app.id = %context.app, build.id = %context.build, error, "A build failed on the platform's side");
            }
            DeployError::Platform(_) => self.deploy_stuck(context, transcript, &failure),
        }
        self.announce(context.app, "Build failed -- check your build output");
        Outcome::Failed
    }

    fn deploy_stuck(&self, context: &Context, transcript: &Transcript, failure: &Failure<DeployError>) {
        let error = crate::reconcile::error_chain(failure);
        tracing::error!(app.id = %context.app, build.id = %context.build, error, "A deploy failed on the platform's side");
        transcript.line("");
        transcript.line(
            " !     The platform could not finish this deploy; it is not your code. Push again, and if it fails again,",
        );
        transcript
            .line(&format!(" !     ask the operator: the reason is in the server's log. Build {}", context.build));
    }
}

/// The file, read once and found to have this SHA-256.
async fn checked(mut file: tokio::fs::File, checksum: &str) -> Result<tokio::fs::File, PlatformError> {
    use tokio::io::{AsyncReadExt, AsyncSeekExt};

    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let count = file.read(&mut buffer).await.map_err(anyhow::Error::from)?;
        if count == 0 {
            break;
        }
        context.update(&buffer[..count]);
    }
    let found: String = context.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let wanted = checksum.to_ascii_lowercase();
    if wanted.strip_prefix("sha256:").unwrap_or(&wanted) != found {
        return Err(PlatformError::Invalid(format!("The source's checksum is SHA256:{found}, not {checksum}.")));
    }
    file.rewind().await.map_err(anyhow::Error::from)?;
    Ok(file)
}
