//! One build: its dyno, and the image of what the dyno left.

use std::sync::Arc;
use std::time::Instant;

use runtime::StackRoot;
use stack::Stack;
use tokio_util::sync::CancellationToken;

use crate::builder::Builder;
use crate::dyno;
use crate::environment;
use crate::error::{BuildError, Platform};
use crate::output::Output;
use crate::plan::Plan;
use crate::preparation::Preparation;
use crate::request::{BuildRequest, Built, Phase, Source};
use crate::slug::Slug;
use crate::source;
use crate::timings::Timings;
use crate::verdict::{self, judge};

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
        self.prepared.plan(&Plan {
            build_dir: &format!("/tmp/{}", self.prepared.build_folder),
            env_dir: &format!("/tmp/{}", self.prepared.env_folder),
            stack_title: self.stack.title(),
            compression,
            origin: self.request.origin,
            buildpacks: &self.request.buildpacks,
        })?;
        timings.end(Phase::Prepare);

        let until = Instant::now() + limits.time;
        let spec = self.dyno();
        let ended = dyno::run(&*self.builder.runtime, spec, source, output, until, self.cancel).await?;
        timings.end(Phase::Compile);

        let slug = Slug { builder: self.builder, prepared: &self.prepared, stack: self.stack };
        let events = slug.events()?;
        judge(&ended, &events, limits, &self.prepared.scratch, output).await?;
        let declared = slug.process_types(&events, output).await?;
        output.line("").await;
        output.line("-----> Compressing...").await;
        let image = match slug.pack(declared.process_types.clone(), until, self.cancel).await {
            Ok(image) => image,
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

    fn dyno(&self) -> runtime::DynoSpec {
        let Self { builder, request, .. } = self;
        let version = request.source_version.as_deref();
        let environment = environment::of_build(request.build, &request.stack, version, &builder.config.environment);
        dyno::spec(request, self.root.clone(), &self.prepared.scratch, environment, &builder.config.limits)
    }
}
