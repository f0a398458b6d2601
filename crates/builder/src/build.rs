//! One build from its request to an image.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use domain::procfile::ProcessTypes;
use domain::{AppId, DynoId};
use images::{BlobStore, Image, NewImage, TreeLimit};
use runtime::{DynoSpec, Limits, Mount, RootFs, Runtime, StackRoot, Stdio};
use stack::{Stack, StackImage};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::cache::Caches;
use crate::config::BuilderConfig;
use crate::driver;
use crate::dyno::{self, Sender};
use crate::environment;
use crate::error::{BuildError, OpenError, Platform, Rejection, io_error};
use crate::events::{self, Events};
use crate::furnish::furnish;
use crate::harvest::read_beneath;
use crate::layers::{self, LayersError, Packing};
use crate::output::Output;
use crate::plan::{Plan, REPORT_DIR};
use crate::procfile;
use crate::release_yaml;
use crate::request::{BuildRequest, Built, Phase, Source};
use crate::scratch::{self, Scratch};
use crate::source;
use crate::timings::Timings;
use crate::verdict::{check_size, judge};

/// A Procfile longer than this is not read to its end.
const PROCFILE_LIMIT_BYTES: usize = 256 * 1024;

/// Builds apps. One per server; share it by `Arc`.
pub struct Builder {
    config: BuilderConfig,
    runtime: Arc<dyn Runtime>,
    blobs: BlobStore,
    caches: Caches,
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
        caches.open().map_err(|source| OpenError { doing: "make", path: caches.folder.clone(), source })?;
        let turns = Semaphore::new(config.limits.concurrent.max(1));
        let builder = Self { config, runtime, blobs, caches, turns, tidying: TaskTracker::new() };
        for folder in [builder.builds(), builder.layer_index()] {
            let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder);
            made.map_err(|source| OpenError { doing: "make", path: folder, source })?;
        }
        Ok(builder)
    }

    /// Ends the build dynos of an earlier server and deletes their disks. To
    /// be called once at start, before the first build.
    pub async fn recover(&self) -> Result<(), Platform> {
        for dyno in self.runtime.list().await? {
            if is_build_label(&dyno.label) {
                self.runtime.remove(dyno.id).await?;
            }
        }
        let builds = self.builds();
        tokio::task::spawn_blocking(move || scratch::sweep(&builds)).await?
    }

    /// Whether a dyno's label ([`runtime::Existing::label`]) is one of ours:
    /// the formation is to leave such dynos alone.
    pub fn owns(label: &str) -> bool {
        is_build_label(label)
    }

    /// Forgets the app's build cache: when the app is deleted, or on request.
    pub async fn purge_cache(&self, app: AppId) -> Result<(), Platform> {
        let caches = self.caches.clone();
        tokio::task::spawn_blocking(move || caches.purge(app)).await?
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

        let prepared = self.prepare(&request, stack, output).await?;
        let scratch = prepared.scratch.clone();
        let result = self.run(request, source, stack, root, prepared, output, cancel, &mut timings).await;
        match result {
            Ok((built, app)) => {
                let caches = self.caches.clone();
                self.tidying.spawn_blocking(move || {
                    if let Err(error) = caches.keep(app, &scratch) {
                        tracing::warn!(app.id = %app, error = chain(&error), "The build cache could not be kept");
                    }
                });
                Ok(built)
            }
            Err(error) => {
                if let Err(left) = blocking(move || scratch.delete()).await {
                    tracing::warn!(
                        error = chain(&left),
                        "The disk of a failed build could not be removed; the next start does it"
                    );
                }
                Err(error)
            }
        }
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

    async fn prepare(&self, request: &BuildRequest, stack: Stack, output: &mut Output) -> Result<Prepared, Platform> {
        let build_folder = format!("build_{:08x}", rand::random::<u32>());
        let env_folder = format!("env_{:08x}", rand::random::<u32>());
        let folder = self.builds().join(request.build.to_string());
        let cache = self.caches.find(request.app);
        let disk_bytes = self.config.limits.disk_bytes;
        let mut files = Vec::new();
        for (key, value) in request.config.iter() {
            if key.as_str().contains('/') || matches!(key.as_str(), "." | "..") {
                let text =
                    format!("Warning: the config var {key} can't be handed to buildpacks, which get them as files.");
                output.problem(&text).await;
                continue;
            }
            files.push((key.as_str().to_owned(), value.to_owned()));
        }
        let env = env_folder.clone();
        let scratch = blocking(move || {
            let scratch = Scratch::create(&folder, disk_bytes, cache.as_deref())?;
            match furnish(&scratch, &env, &files) {
                Ok(()) => Ok(scratch),
                Err(error) => {
                    scratch.delete()?;
                    Err(error)
                }
            }
        })
        .await?;
        Ok(Prepared { scratch: Arc::new(scratch), build_folder, env_folder, stack_title: stack.title() })
    }

    #[expect(clippy::too_many_arguments, reason = "the one place where all of a build comes together")]
    async fn run(
        &self,
        request: BuildRequest,
        source: Source,
        stack: Stack,
        root: StackRoot,
        prepared: Prepared,
        output: &mut Output,
        cancel: &CancellationToken,
        timings: &mut Timings,
    ) -> Result<(Built, AppId), BuildError> {
        let (compression, source) = source::recognise(source).await.map_err(Platform::Source)?;
        let plan = Plan {
            build_dir: &format!("/tmp/{}", prepared.build_folder),
            env_dir: &format!("/tmp/{}", prepared.env_folder),
            stack_title: prepared.stack_title,
            compression,
            origin: request.origin,
            buildpacks: &request.buildpacks,
        };
        let folder = prepared.scratch.read_only_folder();
        let path = folder.join(driver::PLAN_NAME);
        fs::write(&path, plan.text()).map_err(|error| io_error("write", &path, error))?;
        let environment = environment::of_build(
            request.build,
            &request.stack,
            request.source_version.as_deref(),
            &self.config.environment,
        );
        let spec = self.spec(&prepared.scratch, request.app, request.build, root, environment);
        timings.end(Phase::Prepare);

        let limits = &self.config.limits;
        let ended = dyno::run(&*self.runtime, spec, source, output, limits.time, cancel).await?;
        timings.end(Phase::Compile);

        let disk = prepared.scratch.root();
        let report = |name: &'static str, limit_bytes: usize| {
            let inside = PathBuf::from(REPORT_DIR.trim_start_matches("/tmp/")).join(name);
            read_beneath(&disk, &inside, limit_bytes).map_err(|error| io_error("read", &inside, error))
        };
        let events = events::parse(&report("events", events::LIMIT_BYTES)?.unwrap_or_default());
        judge(&ended, &events, limits, &prepared.scratch, output).await?;

        let defaults = match report("release.yml", release_yaml::LIMIT_BYTES)? {
            Some(text) => self.defaults(&text, &events, output).await?,
            None => ProcessTypes::new(),
        };
        let procfile = Path::new(&prepared.build_folder).join("Procfile");
        let procfile = read_beneath(&disk, &procfile, PROCFILE_LIMIT_BYTES)
            .map_err(|error| io_error("read", &procfile, error))?
            .map(|text| String::from_utf8_lossy(&text).into_owned());
        let declared = procfile::discover(procfile.as_deref(), defaults, output).await;

        output.line("").await;
        output.line("-----> Compressing...").await;
        let layer_paths = layers::declared(&report("layers", 64 * 1024)?.unwrap_or_default());
        let new = (stack.name().to_owned(), declared.process_types.clone());
        let packed = self.pack(prepared, layer_paths, new).await?;
        let image = match packed {
            Ok(image) => image,
            Err(error) => {
                output.problem(&format!("The app can't be packed: {}", error)).await;
                output.push_failed().await;
                return Err(BuildError::Rejected(Rejection::TooLarge));
            }
        };
        check_size(&image, limits, output).await?;
        timings.end(Phase::Pack);
        tracing::info!(
            app.id = %request.app,
            build.id = %request.build,
            size_bytes = image.size_bytes(),
            timings = %timings.text(),
            "Built {}", events.description()
        );
        let built = Built {
            image: image.manifest,
            process_types: declared.process_types,
            detected: match events.automatic {
                true => events.buildpacks.iter().map(|buildpack| buildpack.reference.clone()).collect(),
                false => Vec::new(),
            },
            description: events.description(),
            stack: stack.name().to_owned(),
            slug_size_bytes: image.size_bytes(),
            procfile_warnings: declared.warnings,
            timings: timings.phases.clone(),
        };
        Ok((built, request.app))
    }

    /// A `bin/release` that prints nonsense fails the build, as on Heroku.
    async fn defaults(&self, text: &[u8], events: &Events, output: &mut Output) -> Result<ProcessTypes, BuildError> {
        match release_yaml::default_process_types(&String::from_utf8_lossy(text)) {
            Ok(defaults) => Ok(defaults),
            Err(error) => {
                let name = events.current_name().unwrap_or_default().to_owned();
                output.problem(&format!("{error}")).await;
                output.problem(&format!("Push rejected, failed to compile {name} app.")).await;
                output.push_failed().await;
                Err(BuildError::Rejected(Rejection::CompileFailed(name)))
            }
        }
    }

    /// The inner error is the app's fault.
    async fn pack(
        &self,
        prepared: Prepared,
        declared: Vec<PathBuf>,
        (stack, process_types): (String, ProcessTypes),
    ) -> Result<Result<Image, images::FingerprintError>, Platform> {
        let (blobs, index) = (self.blobs.clone(), self.layer_index());
        let size_bytes = self.config.limits.disk_bytes;
        blocking(move || {
            let disk = prepared.scratch.root();
            let packing = Packing {
                blobs: &blobs,
                index: &index,
                disk: &disk,
                build_folder: &prepared.build_folder,
                limit: TreeLimit { size_bytes, entries: size_bytes / 4096 },
            };
            match packing.layers(&declared) {
                Ok(layers) => Ok(Ok(Image::create(&blobs, NewImage { layers, stack, process_types })?)),
                Err(LayersError::Tree(error)) => Ok(Err(error)),
                Err(LayersError::Platform(error)) => Err(error),
            }
        })
        .await
    }

    fn spec(
        &self,
        scratch: &Scratch,
        app: AppId,
        build: domain::BuildId,
        stack: StackRoot,
        env: Vec<(String, String)>,
    ) -> DynoSpec {
        let limits = &self.config.limits;
        let id = DynoId(uuid::Uuid::now_v7());
        let script = format!("{}/{}", driver::FOLDER, driver::SCRIPT_NAME);
        DynoSpec {
            id,
            app,
            hostname: format!("build-{}", &build.to_string()[..8]),
            root: RootFs { stack, layers: Vec::new() },
            command: ["bash", "--noprofile", "--norc", &script, driver::FOLDER].map(str::to_owned).to_vec(),
            env,
            cwd: PathBuf::from("/app"),
            mounts: vec![
                Mount { source: scratch.root(), target: PathBuf::from("/tmp"), read_only: false },
                Mount { source: scratch.read_only_folder(), target: PathBuf::from(driver::FOLDER), read_only: true },
            ],
            limits: Limits {
                memory_bytes: limits.memory_bytes,
                processes: limits.processes,
                cpu_share: limits.cpu_share,
                cpu_millis: None,
                disk_bytes: limits.disk_bytes.min(1024 * 1024 * 1024),
            },
            stdio: Stdio::Attached { terminal: None },
            label: format!("{LABEL_START}{build}\"}}"),
        }
    }

    fn builds(&self) -> PathBuf {
        self.config.data_dir.join("builds")
    }

    fn layer_index(&self) -> PathBuf {
        self.config.data_dir.join("cache/layers")
    }
}

/// The label of a build dyno: JSON, as the platform's labels are.
const LABEL_START: &str = r#"{"build":""#;

fn is_build_label(label: &str) -> bool {
    label.starts_with(LABEL_START)
}

/// All that lies ready when the dyno starts.
struct Prepared {
    scratch: Arc<Scratch>,
    build_folder: String,
    env_folder: String,
    stack_title: &'static str,
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Platform> + Send + 'static,
) -> Result<T, Platform> {
    tokio::task::spawn_blocking(work).await?
}

/// The error and its causes in one line, for the log.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}
