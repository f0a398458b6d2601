//! The use cases of the platform: one file per noun, one per workflow.
//!
//! A request that changes the world writes rows and returns; the formation
//! reconciler makes reality equal to the rows. This crate knows no HTTP, and
//! neither which runtime runs the dynos.
//!
//! ```
//! use platform::PlatformError;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), PlatformError> {
//! let test = test_support::TestPlatform::start().await;
//! let owner = test.platform.accounts().authenticate(&test.key).await?;
//! let app = test.platform.apps().create(&owner, None, None).await?;
//! assert_eq!(test.platform.apps().find(&owner, app.name.as_str()).await?.id, app.id);
//!
//! // What someone may not see is not there.
//! let (_, key) = test.account("ada@example.com").await;
//! let stranger = test.platform.accounts().authenticate(&key).await?;
//! assert!(test.platform.apps().find(&stranger, app.name.as_str()).await.is_err());
//! # test.stop().await;
//! # Ok(())
//! # }
//! ```

mod accounts;
mod apps;
mod browser_logins;
mod buildpacks;
mod builds;
mod collaborators;
mod config;
mod deploy;
mod domains;
mod drains;
mod dyno_events;
mod dynos;
mod environment;
mod error;
mod features;
mod formation;
mod housekeeping;
mod label;
mod launch;
mod log_sessions;
mod one_off;
mod reconcile;
mod recover;
mod releases;
mod rendezvous;
mod sealing_keys;
mod signed;
mod sources;
mod ssh_keys;
mod transcript;

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use builder::Builder;
use bytes::Bytes;
use domain::account::Account;
use domain::{ApiKeyId, App, AppId, DynoId};
use images::BlobStore;
use jiff::Timestamp;
use logs::{Line, Logs, Source};
use runtime::{Events, Runtime};
use stack::StackDir;
use store::Store;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use builds::Ongoing;
use dyno_events::DynoWatch;
use reconcile::{Inbox, Reconciler, Worker};
use signed::Signer;
use transcript::Transcripts;

pub use accounts::*;
pub use apps::*;
pub use browser_logins::{BrowserLogin, BrowserLogins, LoginOutcome};
pub use builder::{BuildpackSource, Entry as RegistryEntry, Registry, Source as DeploySource, SourceOrigin};
pub use builds::{BuildRequest, Builds, Deploying, NewDeploy, Outcome};
pub use collaborators::Member;
pub use dynos::{Dynos, RunRequest, RunStarted};
pub use error::{PlatformError, Resource};
pub use features::{Feature, FeatureState};
pub use housekeeping::{DiskSettings, DiskUsage, Filesystem, Found, Garbage, GcEvent, GcEvents, Use};
pub use log_sessions::LogQuery;
pub use reconcile::{RouteSender, Selection};
pub use rendezvous::Rendezvous;
pub use sealing_keys::KeyProgress;
pub use sources::{SOURCE_LIMIT_BYTES, SourceUrls};
pub use store::FormationChange;
pub use transcript::OutputStream;

/// Who asks.
#[derive(Debug, Clone)]
pub struct Caller {
    pub account: Account,
    pub key: ApiKeyId,
}

/// What an operator may set, with defaults that work on a laptop.
#[derive(Debug, Clone)]
pub struct Settings {
    pub data_dir: PathBuf,
    /// Apps answer on `<app>.<base_domain>`.
    pub base_domain: String,
    /// How the platform is reached from outside, without a slash at the end:
    /// `https://localhost:5000`.
    pub public_url: String,
    /// The stack of new apps.
    pub default_stack: String,
    pub disk: DiskSettings,
}

impl Settings {
    /// The domains below which each app has a name: the operator's, and
    /// `localhost`, which every resolver maps to this machine.
    pub fn base_domains(&self) -> Vec<String> {
        let mut domains = vec![self.base_domain.clone()];
        if self.base_domain != LOCALHOST {
            domains.push(LOCALHOST.to_owned());
        }
        domains
    }
}

const LOCALHOST: &str = "localhost";

/// After an app was destroyed others may be as well, before garbage is collected.
const SEVERAL_MAY_GO: Duration = Duration::from_secs(5);

/// Knows which requests are under way to a dyno: the router.
#[async_trait]
pub trait InFlight: Send + Sync {
    /// Returns when none is under way to this dyno, or after `at_most`.
    async fn drained(&self, dyno: DynoId, at_most: Duration);
}

/// What the platform is built from.
pub struct Parts {
    pub settings: Settings,
    pub store: Store,
    pub runtime: Arc<dyn Runtime>,
    pub events: Events,
    pub builder: Builder,
    pub images: BlobStore,
    pub stacks: StackDir,
    pub logs: Logs,
    pub routes: RouteSender,
    pub in_flight: Arc<dyn InFlight>,
}

pub struct Platform {
    pub(crate) settings: Settings,
    pub(crate) store: Store,
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) builder: Builder,
    pub(crate) images: BlobStore,
    pub(crate) stacks: StackDir,
    pub(crate) logs: Logs,
    pub(crate) in_flight: Arc<dyn InFlight>,
    pub(crate) reconciler: Reconciler,
    pub(crate) watch: DynoWatch,
    pub(crate) transcripts: Transcripts,
    pub(crate) signer: Signer,
    pub(crate) rendezvous: Arc<Rendezvous>,
    pub(crate) browser_logins: BrowserLogins,
    pub(crate) ongoing: Ongoing,
    /// Before anything was written: what is unfinished and older is nobody's.
    pub(crate) started: SystemTime,
    /// Held while garbage is collected.
    pub(crate) collecting: Arc<tokio::sync::Mutex<()>>,
    /// Held while keys are rotated.
    pub(crate) rotating: Arc<tokio::sync::Mutex<()>>,
    /// Something was left that should be collected soon.
    pub(crate) garbage: Notify,
    /// Work that goes on beside the request that began it.
    pub(crate) background: TaskTracker,
}

/// The platform at work, as a future that ends when told to stop.
pub type Running = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Platform {
    /// Builds the platform, brings what a crash left unfinished to an end, and
    /// takes over the dynos that still run. The future keeps it at work.
    pub async fn open(parts: Parts, stop: CancellationToken) -> Result<(Arc<Self>, Running), PlatformError> {
        let data_dir = &parts.settings.data_dir;
        let io = |error: io::Error| PlatformError::Internal(error.into());
        let (reconciler, inbox) = Reconciler::new();
        let platform = Arc::new(Self {
            transcripts: Transcripts::open(&data_dir.join("transcripts")).map_err(io)?,
            signer: Signer::open_or_create(&data_dir.join("keys/url.key")).map_err(io)?,
            settings: parts.settings,
            store: parts.store,
            runtime: parts.runtime,
            builder: parts.builder,
            images: parts.images,
            stacks: parts.stacks,
            logs: parts.logs,
            in_flight: parts.in_flight,
            reconciler,
            watch: DynoWatch::default(),
            rendezvous: Arc::default(),
            browser_logins: BrowserLogins::default(),
            ongoing: Ongoing::default(),
            started: SystemTime::now(),
            collecting: Arc::default(),
            rotating: Arc::default(),
            garbage: Notify::new(),
            background: TaskTracker::new(),
        });
        let found = platform.recover().await?;
        let running = platform.clone().work(found, inbox, parts.events, parts.routes, stop);
        Ok((platform, Box::pin(running)))
    }

    async fn work(
        self: Arc<Self>,
        found: recover::Found,
        inbox: Inbox,
        events: Events,
        routes: RouteSender,
        stop: CancellationToken,
    ) {
        let worker = Worker::new(self.clone(), routes).run(found, inbox, stop.clone());
        let watch = self.watch.run(events, self.logs.clone(), self.reconciler.clone());
        let chores = self.chores();
        tokio::select! {
            () = stop.cancelled() => {}
            () = async { tokio::join!(worker, watch, chores); } => {}
        }
        self.builder.tidied().await;
    }

    /// What has to be done now and then.
    async fn chores(self: &Arc<Self>) {
        self.resume_rotation();
        let mut hourly = tokio::time::interval(Duration::from_secs(3600));
        loop {
            tokio::select! {
                _ = hourly.tick() => {}
                // Several apps may go at once, and one run does for all.
                () = self.garbage.notified() => tokio::time::sleep(SEVERAL_MAY_GO).await,
            }
            self.collect_garbage().await;
        }
    }

    /// Where the clients of `heroku run` are served.
    pub fn rendezvous(&self) -> Arc<Rendezvous> {
        self.rendezvous.clone()
    }

    /// Logins that wait for someone to sign in on a page.
    pub fn browser_logins(&self) -> &BrowserLogins {
        &self.browser_logins
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    pub fn store(&self) -> &Store {
        &self.store
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    /// The app, its domains, formation or existence changed: dynos and routes follow.
    pub(crate) fn wake(&self, app: AppId) {
        self.reconciler.wake(app);
    }

    /// A line of the platform about one of the app's dynos.
    pub(crate) fn log(&self, app: AppId, process: &str, text: &str) {
        self.append(app, Source::Heroku, process, text);
    }

    /// What someone did to the app, in the app's log: `app[api]: text`.
    pub(crate) fn announce(&self, app: AppId, text: &str) {
        self.append(app, Source::App, "api", text);
    }

    fn append(&self, app: AppId, source: Source, process: &str, text: &str) {
        let text = Bytes::copy_from_slice(text.as_bytes());
        self.logs.append(app, Line { at: self.now(), source, process: process.to_owned(), text });
    }

    /// Where the app's web process is reached: `https://app.localhost:5000/`.
    pub fn web_url(&self, app: &App) -> String {
        let (scheme, authority) =
            self.settings.public_url.split_once("://").unwrap_or(("https", &self.settings.public_url));
        let port = authority.rsplit_once(':').map_or(String::new(), |(_, port)| format!(":{port}"));
        format!("{scheme}://{}.{}{port}/", app.name, self.settings.base_domain)
    }

    pub fn git_url(&self, app: &App) -> String {
        format!("{}/{}.git", self.settings.public_url, app.name)
    }

    /// Where an app's git repository lies; its id, not its name, so that a
    /// rename moves nothing.
    pub fn repository_path(&self, app: AppId) -> PathBuf {
        self.settings.data_dir.join("git").join(format!("{app}.git"))
    }

    pub fn accounts(self: &Arc<Self>) -> accounts::Accounts<'_> {
        accounts::Accounts { platform: self }
    }
    pub fn apps(self: &Arc<Self>) -> apps::Apps<'_> {
        apps::Apps { platform: self }
    }
    pub fn buildpacks(self: &Arc<Self>) -> buildpacks::Buildpacks<'_> {
        buildpacks::Buildpacks { platform: self }
    }
    pub fn builds(self: &Arc<Self>) -> builds::Builds<'_> {
        builds::Builds { platform: self }
    }
    pub fn collaborators(self: &Arc<Self>) -> collaborators::Collaborators<'_> {
        collaborators::Collaborators { platform: self }
    }
    pub fn config(self: &Arc<Self>) -> config::Config<'_> {
        config::Config { platform: self }
    }
    pub fn domains(self: &Arc<Self>) -> domains::Domains<'_> {
        domains::Domains { platform: self }
    }
    pub fn drains(self: &Arc<Self>) -> drains::Drains<'_> {
        drains::Drains { platform: self }
    }
    pub fn dynos(self: &Arc<Self>) -> dynos::Dynos<'_> {
        dynos::Dynos { platform: self }
    }
    pub fn features(self: &Arc<Self>) -> features::Features<'_> {
        features::Features { platform: self }
    }
    pub fn formation(self: &Arc<Self>) -> formation::Formations<'_> {
        formation::Formations { platform: self }
    }
    pub fn housekeeping(self: &Arc<Self>) -> housekeeping::Housekeeping<'_> {
        housekeeping::Housekeeping { platform: self }
    }
    pub fn log_sessions(self: &Arc<Self>) -> log_sessions::LogSessions<'_> {
        log_sessions::LogSessions { platform: self }
    }
    pub fn releases(self: &Arc<Self>) -> releases::Releases<'_> {
        releases::Releases { platform: self }
    }
    pub fn sealing_keys(self: &Arc<Self>) -> sealing_keys::SealingKeys<'_> {
        sealing_keys::SealingKeys { platform: self }
    }
    pub fn sources(self: &Arc<Self>) -> sources::Sources<'_> {
        sources::Sources { platform: self }
    }
    pub fn ssh_keys(self: &Arc<Self>) -> ssh_keys::SshKeys<'_> {
        ssh_keys::SshKeys { platform: self }
    }
}
