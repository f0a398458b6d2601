//! The builder: turns, stacks and disks for builds, and how each one ends.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;

use domain::AppId;
use fetch::Fetcher;
use images::BlobStore;
use runtime::{Runtime, StackRoot};
use stack::{Stack, StackImage};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::build::Build;
use crate::cache::{BuildCache, Caches};
use crate::config::BuilderConfig;
use crate::dyno::{self, Sender};
use crate::error::{BuildError, OpenError, Platform, Rejection};
use crate::output::Output;
use crate::preparation::Preparation;
use crate::registry::{Registry, RegistryFile};
use crate::request::{BuildRequest, Built, Phase, Source};
use crate::supply::{Shelf, Supplies};
use crate::timings::Timings;
use crate::{layers, scratch};

/// The operator's registry of buildpacks, in the data directory.
const REGISTRY_FILE: &str = "buildpacks.toml";

/// Builds apps. One per server; share it by `Arc`.
pub struct Builder {
    pub(crate) config: BuilderConfig,
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) blobs: BlobStore,
    pub(crate) caches: Caches,
    pub(crate) supplies: Arc<Supplies>,
    turns: Semaphore,
    /// Caches being put away after their builds have answered.
    tidying: TaskTracker,
}

impl Builder {
    /// Makes the folders it needs in the data directory. Blocks shortly.
    pub fn new(config: BuilderConfig, runtime: Arc<dyn Runtime>, blobs: BlobStore) -> Result<Self, OpenError> {
        let caches = Caches {
            folder: config.data_dir.join("cache/builds"),
            limit_bytes: config.limits.cache_bytes,
            disk_bytes: config.limits.disk_bytes,
        };
        caches.open().map_err(|source| OpenError::Io { doing: "make", path: caches.folder.clone(), source })?;
        let sources = &config.buildpacks;
        let shelf = Shelf { folder: config.data_dir.join("cache/buildpacks"), limit_bytes: sources.kept_bytes };
        shelf.open().map_err(|source| OpenError::Io { doing: "make", path: shelf.folder.clone(), source })?;
        let fetching = fetch::Settings { allow_private: sources.allow_private, ..fetch::Settings::default() };
        let usual = config.data_dir.join(REGISTRY_FILE);
        let supplies = Arc::new(Supplies {
            registry: RegistryFile::open(sources.registry.clone(), usual)?,
            shelf,
            fetcher: Fetcher::new(fetching)?,
        });
        let turns = Semaphore::new(config.limits.concurrent.max(1));
        let builder = Self { config, runtime, blobs, caches, supplies, turns, tidying: TaskTracker::new() };
        for folder in [builder.builds(), builder.layer_index()] {
            let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder);
            made.map_err(|source| OpenError::Io { doing: "make", path: folder, source })?;
        }
        Ok(builder)
    }

    /// Ends the build dynos of an earlier server and deletes their disks. To
    /// be called once at start, before the first build.
    pub async fn recover(&self) -> Result<(), Platform> {
        for dyno in self.runtime.list().await? {
            if dyno::is_build(&dyno.label) {
                self.runtime.remove(dyno.id).await?;
            }
        }
        let builds = self.builds();
        tokio::task::spawn_blocking(move || scratch::sweep(&builds)).await?
    }

    /// What the names of buildpacks stand for now.
    pub fn registry(&self) -> Arc<Registry> {
        self.supplies.registry.current()
    }

    /// Forgets the app's build cache: when the app is deleted, or on request.
    pub async fn purge_cache(&self, app: AppId) -> Result<(), Platform> {
        let caches = self.caches.clone();
        tokio::task::spawn_blocking(move || caches.purge(app)).await?
    }

    /// The build caches of all apps, in no order.
    pub async fn caches(&self) -> Result<Vec<BuildCache>, Platform> {
        let caches = self.caches.clone();
        tokio::task::spawn_blocking(move || caches.list()).await?
    }

    /// Forgets which content was packed into layers that are deleted since.
    pub async fn forget_deleted_layers(&self) -> Result<(), Platform> {
        let (blobs, index) = (self.blobs.clone(), self.layer_index());
        tokio::task::spawn_blocking(move || layers::forget_deleted(&blobs, &index)).await?
    }

    /// Waits until the caches of finished builds are put away. For shutdown
    /// and for tests; builds may go on meanwhile.
    pub async fn tidied(&self) {
        self.tidying.close();
        self.tidying.wait().await;
        self.tidying.reopen();
    }

    /// Runs a build to its end. All that the user is to read goes to `output`,
    /// but for what the release says afterwards. To end a build early use
    /// `cancel`, and do not drop the future: the build dyno would live on
    /// until [`Builder::recover`].
    pub async fn build(
        &self,
        request: BuildRequest,
        source: Source,
        output: Sender,
        cancel: &CancellationToken,
    ) -> Result<Built, BuildError> {
        let limits = self.config.limits;
        let mut output = Output::new(output, limits.output_bytes);
        let result = self.try_build(request, source, &mut output, cancel).await;
        match &result {
            Err(BuildError::Cancelled) => {
                output.line("").await;
                output.problem("The build was cancelled.").await;
                output.push_failed().await;
            }
            Err(BuildError::Platform(error)) => {
                tracing::error!(error = chain(error), "A build failed by the platform's fault");
                output.line("").await;
                output.problem("The build failed by a fault of the platform, not of the app. Push again,").await;
                output.problem("and if it fails again, ask the operator: the reason is in the server's log.").await;
                output.push_failed().await;
            }
            Ok(_) | Err(BuildError::Rejected(_)) => {}
        }
        result
    }

    async fn try_build(
        &self,
        request: BuildRequest,
        source: Source,
        output: &mut Output,
        cancel: &CancellationToken,
    ) -> Result<Built, BuildError> {
        let mut timings = Timings::start();
        let Ok(stack) = request.stack.parse::<Stack>() else {
            output
                .problem(&format!("There is no stack {}. Set another one: heroku stack:set debian-13", request.stack))
                .await;
            output.push_failed().await;
            return Err(BuildError::Rejected(Rejection::NoSuchStack(request.stack)));
        };
        let _turn = tokio::select! {
            // The semaphore is never closed.
            turn = self.turns.acquire() => turn.map_err(|_| BuildError::Cancelled)?,
            () = cancel.cancelled() => return Err(BuildError::Cancelled),
        };
        let root = tokio::select! {
            root = self.stack(stack, output) => root?,
            () = cancel.cancelled() => return Err(BuildError::Cancelled),
        };
        timings.end(Phase::Wait);

        let prepared = Arc::new(Preparation::make(self, &request, output).await?);
        let app = request.app;
        let build = Build { builder: self, request, stack, root, prepared: prepared.clone(), cancel };
        match build.run(source, output, &mut timings).await {
            Ok(built) => {
                self.keep_cache(app, prepared);
                Ok(built)
            }
            Err(error) => {
                if let Err(left) = blocking(move || prepared.scratch.delete()).await {
                    tracing::warn!(
                        error = chain(&left),
                        "The disk of a failed build could not be removed; the next start does it"
                    );
                }
                Err(error)
            }
        }
    }

    /// Beside the caller, who need not wait for the disk.
    fn keep_cache(&self, app: AppId, prepared: Arc<Preparation>) {
        let caches = self.caches.clone();
        self.tidying.spawn_blocking(move || {
            if let Err(error) = caches.keep(app, &prepared.scratch) {
                tracing::warn!(app.id = %app, error = chain(&error), "The build cache could not be kept");
            }
        });
    }

    async fn stack(&self, stack: Stack, output: &mut Output) -> Result<StackRoot, Platform> {
        let (tell, mut told) = tokio::sync::mpsc::unbounded_channel::<String>();
        let ensure = self.config.stacks.ensure(stack, move |line| {
            // Closed only if the build has been cancelled.
            let _cancelled = tell.send(line.to_owned());
        });
        let show = async {
            while let Some(line) = told.recv().await {
                output.line(&format!("       {line}")).await;
            }
        };
        let (image, ()) = tokio::join!(ensure, show);
        Ok(match image? {
            StackImage::File { path, .. } => StackRoot::Image(path),
            StackImage::Host => StackRoot::Host,
        })
    }

    pub(crate) fn builds(&self) -> PathBuf {
        self.config.data_dir.join("builds")
    }

    pub(crate) fn layer_index(&self) -> PathBuf {
        self.config.data_dir.join("cache/layers")
    }
}

pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Platform> + Send + 'static,
) -> Result<T, Platform> {
    tokio::task::spawn_blocking(work).await?
}

/// The error and its causes in one line, for the log.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}
