//! Releases: list, roll back, and the release phase.

use std::sync::Arc;
use std::time::Duration;

use domain::build::Slug;
use domain::release::{Release, ReleaseEvent, ReleaseState};
use domain::{App, AppId, DynoSize, ProcessType, ReleaseId, SlugId};
use runtime::{ExitStatus, Stdio};
use store::NewRelease;

use crate::error::{PlatformError, Resource};
use crate::label::Kind;
use crate::one_off::OneOff;
use crate::reconcile::STOP_GRACE;
use crate::signed::Purpose;
use crate::transcript::{OutputStream, Transcript, TranscriptId};
use crate::{Caller, Platform};

/// A release command may take this long (Heroku: 1 hour).
const PHASE_TIMEOUT: Duration = Duration::from_secs(3600);

pub struct Releases<'a> {
    pub(crate) platform: &'a Arc<Platform>,
}

impl Releases<'_> {
    /// Newest first.
    pub async fn list(&self, app: &App) -> Result<Vec<Release>, PlatformError> {
        Ok(self.platform.store.releases().list(app.id).await?)
    }

    /// By version (`12` or `v12`) or id.
    pub async fn find(&self, app: &App, version_or_id: &str) -> Result<Release, PlatformError> {
        let releases = self.platform.store.releases();
        let release = match version_or_id.trim_start_matches('v').parse::<u32>() {
            Ok(version) => releases.by_version(app.id, version).await?,
            Err(_) => match version_or_id.parse::<ReleaseId>() {
                Ok(id) => releases.by_id(id).await?.filter(|release| release.app == app.id),
                Err(_) => None,
            },
        };
        release.ok_or(PlatformError::NotFound(Resource::Release))
    }

    pub async fn slug(&self, app: &App, id: &str) -> Result<Slug, PlatformError> {
        let not_found = || PlatformError::NotFound(Resource::Slug);
        let id: SlugId = id.parse().map_err(|_| not_found())?;
        self.platform.store.slugs().by_id(id).await?.filter(|slug| slug.app == app.id).ok_or_else(not_found)
    }

    /// A new release with the code and config vars of an earlier one.
    pub async fn rollback(&self, caller: &Caller, app: &App, version_or_id: &str) -> Result<Release, PlatformError> {
        let target = self.find(app, version_or_id).await?;
        if !target.is_eligible_for_rollback() {
            let why = match target.state {
                _ if target.slug.is_none() => "it has no code",
                ReleaseState::Expired => return Err(expired(&format!("Can't roll back to v{}", target.version))),
                _ => "it never went live",
            };
            return Err(PlatformError::Invalid(format!("Can't roll back to v{}: {why}.", target.version)));
        }
        let config = self.platform.store.releases().config(target.id).await?;
        let description = format!("Rollback to v{}", target.version);
        let made = self.platform.release(caller, app, target.slug, &config, description).await;
        // Its slug may have been collected since.
        match self.find(app, version_or_id).await?.state {
            ReleaseState::Expired if made.is_err() => Err(expired(&format!("Can't roll back to v{}", target.version))),
            _ => made,
        }
    }

    /// A new release of a slug that is there, with today's config vars.
    pub async fn release_slug(
        &self,
        caller: &Caller,
        app: &App,
        slug: SlugId,
        description: Option<String>,
    ) -> Result<Release, PlatformError> {
        let slug = self.slug(app, &slug.to_string()).await?;
        if slug.collected_at.is_some() {
            return Err(expired(&format!("Can't release the slug {}", slug.id)));
        }
        let description = description.unwrap_or_else(|| deploy_description(slug.commit.as_deref()));
        let has_phase = slug.process_types.contains_key(&ProcessType::release());
        let (user, now) = (caller.account.id, self.platform.now());
        let made = self.platform.store.releases().deploy(app.id, slug.id, user, &description, has_phase, now).await?;
        self.platform.announce(app.id, &format!("{description} by user {}", caller.account.email));
        self.platform.released(app.id, &made.0, caller.account.email.as_str())?;
        Ok(made.0)
    }

    /// What the release command wrote, followed to its end; `None` if there is none.
    pub async fn output(&self, release: &Release) -> Result<Option<OutputStream>, PlatformError> {
        let id = TranscriptId { app: release.app, id: release.id.0 };
        Ok(self.platform.transcripts.follow(id).map_err(anyhow::Error::from)?)
    }

    /// What stands in the URL under which the output can be read by whoever has it.
    pub fn output_secret(&self, release: &Release) -> String {
        let id = TranscriptId { app: release.app, id: release.id.0 };
        self.platform.signer.sign(Purpose::ReleaseOutput, &id.to_string())
    }

    /// The output behind such a URL.
    pub async fn output_by_secret(&self, secret: &str) -> Result<OutputStream, PlatformError> {
        self.platform.signed_transcript(Purpose::ReleaseOutput, secret, Resource::Release)
    }
}

fn expired(what: &str) -> PlatformError {
    let text = format!("{what}: it has expired, its slug was removed to make room. Push that code again instead.");
    PlatformError::Invalid(text)
}

/// `Deploy 2c3a0b2`, as Heroku names the release of a push.
pub(crate) fn deploy_description(commit: Option<&str>) -> String {
    match commit {
        Some(commit) if !commit.is_empty() => format!("Deploy {}", commit.chars().take(8).collect::<String>()),
        _ => "Deploy".to_owned(),
    }
}

impl Platform {
    /// The transcript that a signed URL names.
    pub(crate) fn signed_transcript(
        &self,
        purpose: Purpose,
        secret: &str,
        what: Resource,
    ) -> Result<OutputStream, PlatformError> {
        let id = self.signer.verify(purpose, secret).and_then(|payload| payload.parse::<TranscriptId>().ok());
        let stream = id.map(|id| self.transcripts.follow(id)).transpose().map_err(anyhow::Error::from)?.flatten();
        stream.ok_or(PlatformError::NotFound(what))
    }

    /// Whether releases of this slug have a release command.
    pub(crate) async fn has_phase(&self, slug: Option<SlugId>) -> Result<bool, PlatformError> {
        let Some(id) = slug else { return Ok(false) };
        let slug = self.store.slugs().by_id(id).await?;
        Ok(slug.is_some_and(|slug| slug.process_types.contains_key(&ProcessType::release())))
    }

    /// Makes a release and, beside the caller, brings it to its end.
    pub(crate) async fn release(
        self: &Arc<Self>,
        caller: &Caller,
        app: &App,
        slug: Option<SlugId>,
        config: &domain::ConfigVars,
        description: String,
    ) -> Result<Release, PlatformError> {
        let has_phase = self.has_phase(slug).await?;
        let new = NewRelease { app: app.id, slug, config, user: caller.account.id, description, has_phase };
        let release = self.store.releases().create(new, self.now()).await?;
        self.announce(app.id, &format!("{} by user {}", release.description, caller.account.email));
        self.released(app.id, &release, caller.account.email.as_str())?;
        Ok(release)
    }

    /// To be called after a release was written: the formation follows, or its
    /// release command runs first, when no other deploy of the app goes on.
    pub(crate) fn released(self: &Arc<Self>, app: AppId, release: &Release, email: &str) -> Result<(), PlatformError> {
        self.announce(app, &format!("Release v{} created by user {email}", release.version));
        if release.state == ReleaseState::Succeeded {
            self.reconciler.wake(app);
            return Ok(());
        }
        // Before the release is shown: whoever sees it may follow its output.
        let transcript = self.phase_transcript(release, None)?;
        let (platform, release) = (self.clone(), release.clone());
        self.background.spawn(async move {
            let _turn = platform.ongoing.turn(app).lock_owned().await;
            if let Err(error) = platform.run_phase(&release, transcript).await {
                tracing::error!(release.id = %release.id, %error, "A release phase could not be brought to its end");
            }
        });
        Ok(())
    }

    /// What the release command will write; `push` shows it as well.
    pub(crate) fn phase_transcript(
        &self,
        release: &Release,
        push: Option<&Arc<Transcript>>,
    ) -> Result<Arc<Transcript>, PlatformError> {
        let id = TranscriptId { app: release.app, id: release.id.0 };
        Ok(self.transcripts.create(id, push.cloned()).map_err(anyhow::Error::from)?)
    }

    /// Runs the release command of a pending release and writes how it ended.
    pub(crate) async fn run_phase(
        self: &Arc<Self>,
        release: &Release,
        transcript: Arc<Transcript>,
    ) -> Result<Release, PlatformError> {
        let passed = match self.release_command(release, transcript).await {
            Ok(passed) => passed,
            Err(error) => {
                tracing::error!(release.id = %release.id, %error, "A release command could not be run");
                false
            }
        };
        let event = if passed { ReleaseEvent::PhasePassed } else { ReleaseEvent::PhaseFailed };
        let release = self.store.releases().finish(release.id, event, self.now()).await.map_err(anyhow::Error::from)?;
        if !passed {
            let kept = self.store.releases().current(release.app).await?;
            let kept = kept.map_or_else(String::new, |kept| format!("; v{} goes on running", kept.version));
            self.announce(release.app, &format!("Release command of v{} failed{kept}", release.version));
        }
        self.reconciler.wake(release.app);
        Ok(release)
    }

    async fn release_command(
        self: &Arc<Self>,
        release: &Release,
        transcript: Arc<Transcript>,
    ) -> Result<bool, PlatformError> {
        let Some(app) = self.store.apps().by_id(release.app).await? else { return Ok(false) };
        let Some(launchable) = self.launchable(&app, release).await? else { return Ok(true) };
        let Some(command) = launchable.slug.process_types.get(&ProcessType::release()).cloned() else {
            return Ok(true);
        };
        let one_off = OneOff {
            process_type: ProcessType::release(),
            kind: Kind::ReleasePhase,
            command: &command,
            size: DynoSize::DEFAULT,
            stdio: Stdio::Logged,
            env: std::collections::BTreeMap::new(),
            transcript: Some(transcript.clone()),
        };
        let running = self.start_one_off(&launchable, one_off).await?;
        let dyno = running.dyno.id;
        let mut finished = std::pin::pin!(self.finish_one_off(running));
        let exit = tokio::select! {
            exit = &mut finished => exit,
            () = tokio::time::sleep(PHASE_TIMEOUT) => {
                transcript.line(" !     The release command took longer than 1 hour and is stopped.");
                self.runtime.stop(dyno, STOP_GRACE).await.map_err(anyhow::Error::from)?;
                finished.await
            }
        };
        Ok(exit.is_some_and(|exit| exit.status == ExitStatus::Code(0)))
    }
}
