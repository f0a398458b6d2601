//! One build: its buildpacks, its dyno, and the image of what the dyno left.

use std::sync::Arc;
use std::time::Instant;

use domain::buildpack::BuildpackRef;
use runtime::{ExitStatus, StackRoot};
use stack::Stack;
use tokio::io::AsyncRead;
use tokio_util::sync::CancellationToken;

use crate::builder::{Builder, chain};
use crate::dyno::{self, Ended};
use crate::environment;
use crate::error::{BuildError, Platform, Rejection};
use crate::events::{Events, Failure};
use crate::output::Output;
use crate::plan::{Plan, PlannedSource};
use crate::preparation::Preparation;
use crate::request::{BuildRequest, Built, Phase, Source};
use crate::slug::Slug;
use crate::source;
use crate::supply::{NotSupplied, Supplied};
use crate::timings::Timings;
use crate::verdict::{self, judge};

/// The config var by which an app named its buildpack before there was a list.
const BUILDPACK_URL: &str = "BUILDPACK_URL";

pub(crate) struct Build<'a> {
    pub(crate) builder: &'a Builder,
    pub(crate) request: BuildRequest,
    pub(crate) stack: Stack,
    pub(crate) root: StackRoot,
    pub(crate) prepared: Arc<Preparation>,
    pub(crate) cancel: &'a CancellationToken,
}

impl Build<'_> {
    pub(crate) async fn run(
        self,
        source: Source,
        output: &mut Output,
        timings: &mut Timings,
    ) -> Result<Built, BuildError> {
        let limits = &self.builder.config.limits;
        let (compression, source) = source::recognise(source).await.map_err(Platform::Source)?;
        let until = Instant::now() + limits.time;
        let chosen = self.chosen(output).await?;
        let title = format!("-----> Building on the {} stack", self.stack.title());
        let supplied = self.supply(&chosen, Some(&title), output).await?;
        timings.end(Phase::Prepare);

        let archive = PlannedSource::Archive { compression, origin: self.request.origin };
        let (mut ended, mut events) = self.drive(archive, &supplied, source, until, output).await?;
        let is_handed_over = matches!(&ended, Ended::Exited(exit) if exit.status == ExitStatus::Code(0));
        if is_handed_over && !events.done && !events.listed.is_empty() {
            let listed = self.listed(&events, output).await?;
            let supplied = self.supply(&listed, None, output).await?;
            let nothing = Box::new(tokio::io::empty());
            (ended, events) = self.drive(PlannedSource::Unpacked, &supplied, nothing, until, output).await?;
            self.forget_broken(&listed, &events).await;
        }
        self.forget_broken(&chosen, &events).await;
        timings.end(Phase::Compile);

        judge(&ended, &events, limits, &self.prepared.scratch, output).await?;
        let slug = self.slug();
        let declared = slug.process_types(&events, output).await?;
        output.line("").await;
        output.line("-----> Compressing...").await;
        let (image, hold) = match slug.pack(declared.process_types.clone(), until, self.cancel).await {
            Ok(packed) => packed,
            Err(failed) => return Err(verdict::not_packed(failed, &events, limits, self.cancel, output).await),
        };
        verdict::show_size(&image, limits, output).await;
        timings.end(Phase::Pack);
        tracing::info!(
            app.id = %self.request.app,
            build.id = %self.request.build,
            size_bytes = image.size_bytes(),
            timings = %timings.text(),
            "Built {}", events.description()
        );
        Ok(Built {
            image: image.manifest,
            hold: Arc::new(hold),
            process_types: declared.process_types,
            detected: match events.automatic {
                true => events.buildpacks.iter().map(|buildpack| buildpack.reference.clone()).collect(),
                false => Vec::new(),
            },
            description: events.description(),
            stack: self.stack.name().to_owned(),
            slug_size_bytes: image.size_bytes(),
            procfile_warnings: declared.warnings,
            timings: timings.phases.clone(),
        })
    }

    /// What the app has set, or else what its config var names.
    async fn chosen(&self, output: &mut Output) -> Result<Vec<BuildpackRef>, BuildError> {
        let named = self.request.config.iter().find(|(key, _)| key.as_str() == BUILDPACK_URL);
        match named {
            Some((_, text)) if self.request.buildpacks.is_empty() && !text.trim().is_empty() => {
                let unset = format!("Mend it, or remove it: heroku config:unset {BUILDPACK_URL}");
                let named = parse_all(&[text], &format!("The config var {BUILDPACK_URL}"), &unset, output).await?;
                output.line(&format!("       The config var {BUILDPACK_URL} names the buildpack")).await;
                Ok(named)
            }
            _ => Ok(self.request.buildpacks.clone()),
        }
    }

    async fn listed(&self, events: &Events, output: &mut Output) -> Result<Vec<BuildpackRef>, BuildError> {
        output.line("       The app's file .buildpacks names its buildpacks").await;
        let folders = "A folder of the app is written as ./my-buildpack";
        let listed: Vec<&str> = events.listed.iter().map(String::as_str).collect();
        parse_all(&listed, "The app's file .buildpacks", folders, output).await
    }

    /// Brings buildpacks to where the dyno finds them.
    async fn supply(
        &self,
        references: &[BuildpackRef],
        title: Option<&str>,
        output: &mut Output,
    ) -> Result<Vec<Supplied>, BuildError> {
        let mut all = Vec::new();
        for (index, reference) in references.iter().enumerate() {
            let (supplies, prepared) = (self.builder.supplies.clone(), self.prepared.clone());
            let (wanted, cancel) = (reference.clone(), self.cancel.clone());
            let folder = prepared.scratch.read_only_folder();
            let supply = tokio::task::spawn_blocking(move || {
                supplies.supply(&wanted, index, &folder, &|| cancel.is_cancelled())
            });
            let supplied = tokio::select! {
                supplied = supply => supplied.map_err(Platform::from)?,
                // A fetch that waits for its host ends a little later, by itself.
                () = self.cancel.cancelled() => return Err(BuildError::Cancelled),
            };
            match supplied {
                Ok(supplied) => all.push(supplied),
                Err(error) => return Err(self.not_supplied(reference, references, error, title, output).await),
            }
        }
        Ok(all)
    }

    async fn not_supplied(
        &self,
        reference: &BuildpackRef,
        all: &[BuildpackRef],
        error: NotSupplied,
        title: Option<&str>,
        output: &mut Output,
    ) -> BuildError {
        let error = match error {
            NotSupplied::Platform(error) => return BuildError::Platform(error),
            error if error.is_stopped() => return BuildError::Cancelled,
            error => error,
        };
        if let Some(title) = title {
            output.line(title).await;
        }
        match all {
            [one] => output.line(&format!("-----> Using buildpack: {one}")).await,
            all => {
                output.line("-----> Using buildpacks:").await;
                for (index, one) in all.iter().enumerate() {
                    output.line(&format!("       {}. {one}", index + 1)).await;
                }
            }
        }
        output.problem(&format!("The buildpack {reference} can't be had:")).await;
        output.problem(&chain(&error)).await;
        for line in error.advice(self.builder.supplies.registry.path()) {
            output.problem(&line).await;
        }
        output.push_failed().await;
        BuildError::Rejected(Rejection::NoSuchBuildpack(reference.to_string()))
    }

    /// Runs the driver in a dyno, and reads what it reports.
    async fn drive(
        &self,
        planned: PlannedSource,
        buildpacks: &[Supplied],
        source: Box<dyn AsyncRead + Send + Unpin>,
        until: Instant,
        output: &mut Output,
    ) -> Result<(Ended, Events), BuildError> {
        let Self { builder, request, prepared, .. } = self;
        prepared.plan(&Plan {
            build_dir: &format!("/tmp/{}", prepared.build_folder),
            env_dir: &format!("/tmp/{}", prepared.env_folder),
            stack_title: self.stack.title(),
            source: planned,
            buildpacks,
        })?;
        let version = request.source_version.as_deref();
        let environment = environment::of_build(request.build, &request.stack, version, &builder.config.environment);
        let spec = dyno::spec(request, self.root.clone(), &prepared.scratch, environment, &builder.config.limits);
        let ended = dyno::run(&*builder.runtime, spec, source, output, until, self.cancel).await?;
        Ok((ended, self.slug().events()?))
    }

    fn slug(&self) -> Slug<'_> {
        Slug { builder: self.builder, prepared: &self.prepared, stack: self.stack }
    }

    /// So that the next build fetches it again.
    async fn forget_broken(&self, references: &[BuildpackRef], events: &Events) {
        let Some(Failure::BrokenBuildpack(shown)) = &events.failure else { return };
        let Some(broken) = references.iter().find(|reference| reference.to_string() == *shown).cloned() else { return };
        let supplies = self.builder.supplies.clone();
        let forgotten = tokio::task::spawn_blocking(move || supplies.forget(&broken)).await;
        if let Err(error) = forgotten.map_err(Platform::from).and_then(|forgotten| forgotten) {
            tracing::warn!(error = chain(&error), "A broken copy of a buildpack could not be deleted");
        }
    }
}

async fn parse_all(
    texts: &[&str],
    whose: &str,
    advice: &str,
    output: &mut Output,
) -> Result<Vec<BuildpackRef>, BuildError> {
    let mut all = Vec::new();
    for text in texts {
        match text.parse() {
            Ok(reference) => all.push(reference),
            Err(error) => {
                output.problem(&format!("{whose}: {error}.")).await;
                output.problem(advice).await;
                output.push_failed().await;
                return Err(BuildError::Rejected(Rejection::NoSuchBuildpack((*text).to_owned())));
            }
        }
    }
    Ok(all)
}
