//! The deploy workflow: build, slug, release, release phase.
//!
//! Journaled, so that a crash at any point leaves a build that is known to
//! have ended: with a release, or without. Nothing after the release row has
//! to be undone; what a crash interrupts before it leaves no trace but the
//! failed build.

use std::sync::Arc;

use async_trait::async_trait;
use builder::{BuildError, Built, Source, SourceOrigin};
use bytes::Bytes;
use domain::build::{BuildEvent, BuildState};
use domain::buildpack::BuildpackRef;
use domain::release::{Release, ReleaseEvent, ReleaseState};
use domain::{AppId, BuildId, ProcessType, ReleaseId, SlugId};
use serde::{Deserialize, Serialize};
use store::NewSlug;
use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::CancellationToken;
use workflow::{Step, Workflow};

use crate::Platform;
use crate::error::PlatformError;
use crate::releases::deploy_description;
use crate::transcript::Transcript;

pub(crate) const KIND: &str = "deploy";

/// What the journal keeps of a deploy.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Context {
    pub(crate) app: AppId,
    pub(crate) build: BuildId,
    slug: Option<SlugId>,
    release: Option<ReleaseId>,
}

impl Context {
    pub(crate) fn new(app: AppId, build: BuildId) -> Self {
        Self { app, build, slug: None, release: None }
    }
}

/// Why a deploy came to nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DeployError {
    /// The code can't be built; the transcript says why.
    #[error("the build failed")]
    Refused,
    #[error("the build was cancelled")]
    Cancelled,
    /// The builder could not do its work, and has said so in the transcript.
    #[error("the builder failed")]
    Builder(#[source] builder::Platform),
    #[error(transparent)]
    Platform(#[from] PlatformError),
}

impl From<store::StoreError> for DeployError {
    fn from(error: store::StoreError) -> Self {
        Self::Platform(error.into())
    }
}

/// What a deploy works on beside its context: it can't outlive the process.
pub(crate) struct Work {
    source: Mutex<Option<Source>>,
    origin: SourceOrigin,
    pub(crate) transcript: Arc<Transcript>,
    pub(crate) cancel: CancellationToken,
    pub(crate) commit: Option<String>,
    pub(crate) commit_description: Option<String>,
    /// The user's address, for the log.
    pub(crate) email: String,
    built: Mutex<Option<Built>>,
}

impl Work {
    pub(crate) fn new(
        source: Source,
        origin: SourceOrigin,
        transcript: Arc<Transcript>,
        cancel: CancellationToken,
        email: String,
    ) -> Self {
        Self {
            source: Mutex::new(Some(source)),
            origin,
            transcript,
            cancel,
            commit: None,
            commit_description: None,
            email,
            built: Mutex::default(),
        }
    }
}

/// The steps. `work` is absent when a crashed deploy is undone: undoing needs
/// rows only.
pub(crate) fn workflow(platform: &Arc<Platform>, work: Option<Arc<Work>>) -> Workflow<Context, DeployError> {
    let part = |_| Part { platform: platform.clone(), work: work.clone() };
    let steps: Vec<Box<dyn Step<Context, DeployError>>> = vec![
        Box::new(BuildSlug(part(()))),
        Box::new(KeepSlug(part(()))),
        Box::new(MakeRelease(part(()))),
        Box::new(RunPhase(part(()))),
    ];
    // The work is undone whenever it does not come to its end: a release that
    // was written stays, for it may serve already.
    let pivot = steps.len();
    Workflow { kind: KIND, steps, pivot }
}

struct Part {
    platform: Arc<Platform>,
    work: Option<Arc<Work>>,
}

impl Part {
    fn work(&self) -> Result<&Arc<Work>, DeployError> {
        let gone = || DeployError::Platform(anyhow::anyhow!("a deploy can't go on without its source").into());
        self.work.as_ref().ok_or_else(gone)
    }
}

struct BuildSlug(Part);

#[async_trait]
impl Step<Context, DeployError> for BuildSlug {
    fn name(&self) -> &'static str {
        "build the slug"
    }

    async fn run(&self, context: &mut Context) -> Result<(), DeployError> {
        let (platform, work) = (&self.0.platform, self.0.work()?);
        let built = platform.run_build(context, work).await?;
        let detected: Vec<BuildpackRef> = built.detected.iter().filter_map(|name| name.parse().ok()).collect();
        if !detected.is_empty() {
            platform.store.builds().set_buildpacks(context.build, &detected, platform.now()).await?;
            platform.store.buildpacks().remember_detected(context.app, &detected, platform.now()).await?;
        }
        *work.built.lock().await = Some(built);
        Ok(())
    }

    async fn undo(&self, context: &mut Context) -> Result<(), DeployError> {
        let platform = &self.0.platform;
        let build = platform.store.builds().by_id(context.build).await?;
        let Some(build) = build.filter(|build| build.state == BuildState::Pending) else { return Ok(()) };
        let release = platform.release_of_deploy(context).await?;
        let event = if release.is_some() { BuildEvent::Succeeded } else { BuildEvent::Failed };
        let release = release.map(|release| release.id);
        platform
            .store
            .builds()
            .finish(build.id, event, context.slug, release, platform.now())
            .await
            .map_err(anyhow::Error::from)
            .map_err(PlatformError::from)?;
        Ok(())
    }
}

struct KeepSlug(Part);

#[async_trait]
impl Step<Context, DeployError> for KeepSlug {
    fn name(&self) -> &'static str {
        "keep the slug"
    }

    async fn run(&self, context: &mut Context) -> Result<(), DeployError> {
        let (platform, work) = (&self.0.platform, self.0.work()?);
        let Some(built) = work.built.lock().await.take() else {
            return Err(PlatformError::Internal(anyhow::anyhow!("the build left nothing behind")).into());
        };
        let new = NewSlug {
            app: context.app,
            image: built.image,
            process_types: built.process_types,
            commit: work.commit.clone(),
            commit_description: work.commit_description.clone(),
            buildpack_provided_description: Some(built.description),
            stack: built.stack,
            size_bytes: built.slug_size_bytes,
        };
        context.slug = Some(platform.store.slugs().create(new, platform.now()).await?.id);
        // From here on the slug's row keeps the image.
        drop(built.hold);
        Ok(())
    }
}

struct MakeRelease(Part);

#[async_trait]
impl Step<Context, DeployError> for MakeRelease {
    fn name(&self) -> &'static str {
        "make the release"
    }

    async fn run(&self, context: &mut Context) -> Result<(), DeployError> {
        let (platform, work) = (&self.0.platform, self.0.work()?);
        let release = platform.make_release(context, work).await?;
        context.release = Some(release.id);
        let finished = platform.store.builds();
        finished
            .finish(context.build, BuildEvent::Succeeded, context.slug, context.release, platform.now())
            .await
            .map_err(anyhow::Error::from)
            .map_err(PlatformError::from)?;
        Ok(())
    }
}

struct RunPhase(Part);

#[async_trait]
impl Step<Context, DeployError> for RunPhase {
    fn name(&self) -> &'static str {
        "run the release command"
    }

    async fn run(&self, context: &mut Context) -> Result<(), DeployError> {
        let (platform, work) = (&self.0.platform, self.0.work()?);
        let Some(id) = context.release else { return Ok(()) };
        let release = platform.store.releases().by_id(id).await?;
        let Some(release) = release.filter(|release| release.state == ReleaseState::Pending) else { return Ok(()) };
        work.transcript.line("Running release command...");
        work.transcript.line("");
        let transcript = platform.phase_transcript(&release, Some(&work.transcript))?;
        let ended = platform.run_phase(&release, transcript).await?;
        let how = if ended.state == ReleaseState::Succeeded { "done" } else { "failed" };
        work.transcript.line("");
        work.transcript.line(&format!("Waiting for release.... {how}."));
        Ok(())
    }

    async fn undo(&self, context: &mut Context) -> Result<(), DeployError> {
        let platform = &self.0.platform;
        if let Some(release) = platform.release_of_deploy(context).await?
            && release.state == ReleaseState::Pending
        {
            let interrupted = ReleaseEvent::Interrupted;
            platform
                .store
                .releases()
                .finish(release.id, interrupted, platform.now())
                .await
                .map_err(anyhow::Error::from)
                .map_err(PlatformError::from)?;
        }
        Ok(())
    }
}

impl Platform {
    async fn run_build(self: &Arc<Self>, context: &Context, work: &Arc<Work>) -> Result<Built, DeployError> {
        let source = work.source.lock().await.take();
        let source = source.ok_or_else(|| PlatformError::Internal(anyhow::anyhow!("the source was taken already")))?;
        let build = self.store.builds().by_id(context.build).await?;
        let build = build.ok_or_else(|| PlatformError::Internal(anyhow::anyhow!("the build's row is gone")))?;
        let request = builder::BuildRequest {
            build: build.id,
            app: build.app,
            origin: work.origin,
            source_version: build.source_version.clone(),
            buildpacks: build.buildpacks.clone(),
            config: self.store.releases().current_config(build.app).await?,
            stack: build.stack.clone(),
        };
        let (output, mut written) = mpsc::channel::<Bytes>(64);
        let write = async {
            while let Some(bytes) = written.recv().await {
                work.transcript.write(&bytes);
            }
        };
        let (built, ()) = tokio::join!(self.builder.build(request, source, output, &work.cancel), write);
        match built {
            Ok(built) => Ok(built),
            Err(BuildError::Cancelled) => Err(DeployError::Cancelled),
            Err(BuildError::Rejected(_)) => Err(DeployError::Refused),
            Err(BuildError::Platform(error)) => Err(DeployError::Builder(error)),
        }
    }

    async fn make_release(self: &Arc<Self>, context: &Context, work: &Work) -> Result<Release, DeployError> {
        let app = self.store.apps().by_id(context.app).await?;
        let app = app.ok_or(PlatformError::NotFound(crate::Resource::App))?;
        let slug = match context.slug {
            Some(id) => self.store.slugs().by_id(id).await?,
            None => None,
        };
        let slug = slug.ok_or_else(|| PlatformError::Internal(anyhow::anyhow!("the slug's row is gone")))?;
        let build = self.store.builds().by_id(context.build).await?;
        let build = build.ok_or_else(|| PlatformError::Internal(anyhow::anyhow!("the build's row is gone")))?;
        let has_phase = slug.process_types.contains_key(&ProcessType::release());
        let description = deploy_description(work.commit.as_deref());
        work.transcript.line("-----> Launching...");
        if has_phase {
            work.transcript.line(
                " !     Release command declared: this new release will not be available until the command succeeds.",
            );
        }
        let releases = self.store.releases();
        let made = releases.deploy(app.id, slug.id, build.user, &description, has_phase, self.now()).await?;
        let (release, _config) = made;
        work.transcript.line(&format!("       Released v{}", release.version));
        work.transcript.line(&format!("       {} deployed to Heroku", self.web_url(&app)));
        work.transcript.line("");
        work.transcript.line("Verifying deploy... done.");
        self.announce(app.id, &format!("{description} by user {}", work.email));
        self.announce(app.id, &format!("Release v{} created by user {}", release.version, work.email));
        if !has_phase {
            self.reconciler.wake(app.id);
        }
        Ok(release)
    }

    /// The release that a deploy made, found also if the crash came between
    /// its row and the journal's.
    pub(crate) async fn release_of_deploy(&self, context: &Context) -> Result<Option<Release>, DeployError> {
        let Some(slug) = context.slug else { return Ok(None) };
        let releases = self.store.releases().list(context.app).await?;
        Ok(releases.into_iter().filter(|release| release.slug == Some(slug)).min_by_key(|release| release.version))
    }
}
