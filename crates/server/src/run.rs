//! Builds the parts of the server and runs them, and takes them down again.

use std::net::{SocketAddr, TcpListener as StdTcpListener};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use builder::{BuildLimits, Builder, BuilderConfig, BuildpackSources};
use configuration::Configuration;
use domain::Retention;
use images::BlobStore;
use logs::{Line, Logs, Source};
use platform::{DiskSettings, InFlight, Parts, Platform, Settings};
use router::{RouteTable, Router};
use runtime_local::LocalRuntime;
use stack::StackDir;
use store::{MasterKeys, Store};
use supervise::Part;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::args::DownArgs;
use crate::data_dir::DataDir;
use crate::settings::SettingsArgs;
use crate::{owner, serving};

/// How long parts may take to end after a stop signal.
const GRACE: Duration = Duration::from_secs(10);
/// How often the dynos' network is looked after.
const REPAIR_ROUND: Duration = Duration::from_secs(20);

/// `renga server`: serves until SIGTERM or Ctrl-C. Dynos live on.
pub(crate) fn server(args: &SettingsArgs) -> anyhow::Result<()> {
    let (configuration, _) = args.read()?;
    let filter = tracing_subscriber::EnvFilter::try_new(&configuration.log)
        .with_context(|| format!("log: `{}` is not a filter such as info,platform=debug", configuration.log))?;
    let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(std::io::stderr).init();
    rustls_provider()?;
    raise_file_limit()?;
    let tokio = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("could not start")?;
    tokio.block_on(serve(configuration))
}

/// `renga down`: ends the dynos and removes what is theirs on this machine.
pub(crate) fn down(args: &DownArgs) -> anyhow::Result<()> {
    if !args.data_dir.is_dir() {
        println!("There is nothing at {}.", args.data_dir.display());
        return Ok(());
    }
    let data_dir = DataDir::existing(&args.data_dir)?;
    let report = runtime_local::down(data_dir.path(), Duration::from_secs(args.grace_s))?;
    println!(
        "Stopped {} dynos; removed {} mounts, {} cgroups, {} links and {} firewall tables.",
        report.dynos, report.mounts, report.cgroups, report.links, report.nft_tables
    );
    Ok(())
}

/// A thousand descriptors, the usual soft limit, are few for a server of connections.
pub(crate) fn raise_file_limit() -> anyhow::Result<()> {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};

    const ENOUGH: u64 = 262_144;
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).context("could not read the limit of open files")?;
    setrlimit(Resource::RLIMIT_NOFILE, hard.min(ENOUGH).max(soft), hard)
        .context("could not raise the limit of open files")
}

fn rustls_provider() -> anyhow::Result<()> {
    let installed = rustls::crypto::ring::default_provider().install_default();
    installed.map_err(|_| anyhow::anyhow!("a TLS provider was installed twice"))
}

async fn serve(configuration: Configuration) -> anyhow::Result<()> {
    let began = std::time::Instant::now();
    let data_dir = DataDir::open(&configuration.data_dir)?;
    let listeners = bind(&configuration.listen.0)?;
    let addresses: Vec<SocketAddr> =
        listeners.iter().map(|listener| listener.local_addr()).collect::<Result<_, _>>()?;
    // A port 0 has become a real one.
    let configuration = Configuration { listen: configuration::Addresses(addresses.clone()), ..configuration };
    let settings = Settings {
        data_dir: data_dir.path().to_owned(),
        base_domain: configuration.domain.to_string(),
        public_url: configuration.public_url(),
        default_stack: configuration.stack.name().to_owned(),
        disk: disk_settings(&configuration),
    };

    let keys = MasterKeys::open_or_create(&data_dir.join("keys"))?;
    let store = Store::open(&data_dir.join("renga.db"), keys).await?;
    owner::ensure(&store, &data_dir).await?;
    let logs = Logs::open(data_dir.join("logs"))?;
    let images = BlobStore::open(data_dir.join("blobs"))?;
    let stacks = StackDir::new(&configuration.stack_dir).with_mirror(configuration.debian_mirror.clone());
    let (runtime, events) = open_runtime(&data_dir, configuration.unpack_images).await?;
    let machine = runtime.clone();
    let builder =
        Builder::new(builder_config(&configuration, &data_dir, stacks.clone()), runtime.clone(), images.clone())?;

    let (routes, table) = watch::channel(Arc::<RouteTable>::default());
    let router = Arc::new(Router::new(table.clone(), router::Limits::default(), access_log(&logs)));
    let stop = CancellationToken::new();
    let in_flight = Arc::new(RouterInFlight(router.clone()));
    let parts =
        Parts { settings, store, runtime, events, builder, images, stacks, logs: logs.clone(), routes, in_flight };
    let (platform, platform_at_work) = Platform::open(parts, stop.clone()).await?;

    let serving = serving::Serving::new(&data_dir, &platform, router.clone(), &configuration, table.clone())?;
    let (url, local_url) = (configuration.public_url(), configuration.local_url());
    let ready = {
        let mut table = table;
        async move { table.changed().await.context("the reconciler ended at once") }
    };
    let (listen_stop, router_stop, signal_stop) = (stop.clone(), stop.clone(), stop.clone());
    let machine_stop = stop.clone();
    let parts = vec![
        Part::new("platform", async move {
            platform_at_work.await;
            Ok(())
        }),
        Part::new("router", async move {
            router.run(router_stop).await;
            Ok(())
        }),
        Part::new("listener", async move {
            ready.await?;
            data_dir.announce(&addresses, &local_url, &url)?;
            tracing::info!(start_ms = began.elapsed().as_millis(), "Serving on {url}");
            serving.run(listeners, listen_stop).await
        }),
        Part::new("machine", async move { keep_in_order(&machine, machine_stop).await }),
        Part::new("signals", async move { wait_for_signal(signal_stop).await }),
    ];
    let outcome = supervise::run(parts, GRACE, stop).await;
    logs.flush().await;
    platform.store().close().await;
    outcome
}

fn bind(addresses: &[SocketAddr]) -> anyhow::Result<Vec<StdTcpListener>> {
    let bind = |address: &SocketAddr| {
        let listener = StdTcpListener::bind(address).with_context(|| {
            format!("could not listen on {address}; another program may use the port: choose one with --listen")
        })?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    };
    addresses.iter().map(bind).collect()
}

fn disk_settings(configuration: &Configuration) -> DiskSettings {
    DiskSettings {
        retention: Retention {
            releases: u32::try_from(configuration.keep_releases).unwrap_or(u32::MAX),
            age: configuration.keep_releases_for.0.try_into().unwrap_or(jiff::SignedDuration::MAX),
            bytes: configuration.keep_releases_size.0,
        },
        cache_bytes: configuration.build_caches.0,
    }
}

async fn open_runtime(data_dir: &DataDir, unpack_images: bool) -> anyhow::Result<(Arc<LocalRuntime>, runtime::Events)> {
    let program = std::env::current_exe().context("could not find the renga binary itself")?;
    let keeper_command =
        vec![program.into_os_string(), "keeper".into(), "--data-dir".into(), data_dir.path().as_os_str().to_owned()];
    let config = runtime_local::Config {
        unpack_images,
        ..runtime_local::Config::new(data_dir.path().to_owned(), keeper_command)
    };
    LocalRuntime::open(config)
        .await
        .context("could not make this machine ready for dynos; `renga doctor` says what is missing")
}

fn builder_config(configuration: &Configuration, data_dir: &DataDir, stacks: StackDir) -> BuilderConfig {
    let build_env = configuration.build_env.0.as_deref();
    BuilderConfig {
        data_dir: data_dir.path().to_owned(),
        stacks,
        environment: builder::operator_environment(build_env, |name| std::env::var(name).ok()),
        limits: BuildLimits {
            time: configuration.build_time.0,
            memory_bytes: configuration.build_memory.0,
            disk_bytes: configuration.build_disk.0,
            slug_bytes: configuration.slug_size.0,
            cache_bytes: configuration.build_cache.0,
            concurrent: configuration.concurrent_builds,
            ..BuildLimits::default()
        },
        buildpacks: BuildpackSources {
            registry: configuration.buildpack_registry.clone(),
            kept_bytes: configuration.buildpack_cache.0,
            allow_private: configuration.allow_private_sources,
        },
    }
}

/// Puts back what other programs may have taken away from the dynos' network
/// and cgroups: firewall reloads and network restarts flush rules and links.
async fn keep_in_order(runtime: &LocalRuntime, stop: CancellationToken) -> anyhow::Result<()> {
    let mut round = tokio::time::interval(REPAIR_ROUND);
    round.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    round.reset();
    while stop.run_until_cancelled(round.tick()).await.is_some() {
        if let Err(error) = runtime.repair().await {
            tracing::error!(
                error = format!("{:#}", anyhow::Error::from(error)),
                "Could not put the dynos' network in order"
            );
        }
    }
    Ok(())
}

/// Access lines go to the app's own log, as `heroku[router]`.
fn access_log(logs: &Logs) -> router::AccessSink {
    let logs = logs.clone();
    Arc::new(move |app, line| {
        let at = jiff::Timestamp::now();
        logs.append(app, Line { at, source: Source::Heroku, process: "router".to_owned(), text: line.into() });
    })
}

struct RouterInFlight(Arc<Router>);

#[async_trait::async_trait]
impl InFlight for RouterInFlight {
    async fn drained(&self, dyno: domain::DynoId, at_most: Duration) {
        if !self.0.drained(dyno, at_most).await {
            tracing::info!(dyno.id = %dyno, "A dyno is stopped with requests still under way to it");
        }
    }
}

async fn wait_for_signal(stop: CancellationToken) -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => tracing::info!("SIGTERM: the server ends, dynos live on"),
        _ = interrupt.recv() => tracing::info!("Interrupted: the server ends, dynos live on; `renga down` stops them"),
        () = stop.cancelled() => {}
    }
    Ok(())
}
