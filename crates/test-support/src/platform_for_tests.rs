//! A platform at work, in a folder that goes when it does.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use builder::{Builder, BuilderConfig};
use domain::account::Account;
use domain::procfile::ProcessTypes;
use domain::{App, DynoId, Secret, SlugId};
use images::{BlobStore, Image, NewImage};
use jiff::Timestamp;
use logs::Logs;
use platform::{DiskSettings, InFlight, Parts, Platform, Settings};
use router::RouteTable;
use stack::{Stack, StackDir};
use store::{MasterKeys, NewSlug, Store};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::ScriptedRuntime;

/// A whole platform with an operator's account. It stops when dropped.
pub struct TestPlatform {
    pub platform: Arc<Platform>,
    pub store: Store,
    pub images: BlobStore,
    pub logs: Logs,
    pub runtime: Arc<ScriptedRuntime>,
    pub routes: watch::Receiver<Arc<RouteTable>>,
    pub operator: Account,
    /// The operator's API key.
    pub key: Secret,
    stop: CancellationToken,
    work: Option<JoinHandle<()>>,
    _folder: TempDir,
}

/// No request is ever under way.
struct Idle;

#[async_trait]
impl InFlight for Idle {
    async fn drained(&self, _: DynoId, _: Duration) {}
}

impl TestPlatform {
    /// Panics if it can't be built: a test has nothing to do then.
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// The same with other settings than the usual.
    pub async fn start_with(change: impl FnOnce(&mut Settings)) -> Self {
        let folder = TempDir::new().expect("a folder for the test");
        let dir = folder.path();
        let keys = MasterKeys::open_or_create(&dir.join("keys")).expect("keys");
        let store = Store::open(&dir.join("renga.db"), keys).await.expect("the store");
        let now = Timestamp::now();
        let email = "operator@example.com".parse().expect("an e-mail address");
        let operator = store.accounts().create(&email, None, None, true, now).await.expect("the operator");
        let (_, key) = store.api_keys().create(operator.id, "test", None, now).await.expect("his key");
        let images = BlobStore::open(dir.join("blobs")).expect("blobs");
        let stacks = StackDir::new(dir.join("stacks"));
        let (runtime, events) = ScriptedRuntime::new();
        let config = BuilderConfig {
            data_dir: dir.to_owned(),
            stacks: stacks.clone(),
            environment: Vec::new(),
            limits: builder::BuildLimits::default(),
            buildpacks: builder::BuildpackSources::default(),
        };
        let builder = Builder::new(config, runtime.clone(), images.clone()).expect("the builder");
        let logs = Logs::open(dir.join("logs")).expect("logs");
        let (sender, routes) = watch::channel(Arc::new(RouteTable::default()));
        let mut settings = Settings {
            data_dir: dir.to_owned(),
            base_domain: "localhost".to_owned(),
            public_url: "https://localhost:5000".to_owned(),
            default_stack: Stack::Host.name().to_owned(),
            disk: DiskSettings::default(),
        };
        change(&mut settings);
        let parts = Parts {
            settings,
            store: store.clone(),
            runtime: runtime.clone(),
            events,
            builder,
            images: images.clone(),
            stacks,
            logs: logs.clone(),
            routes: sender,
            in_flight: Arc::new(Idle),
        };
        let stop = CancellationToken::new();
        let (platform, running) = Platform::open(parts, stop.clone()).await.expect("the platform");
        let work = Some(tokio::spawn(running));
        Self { platform, store, images, logs, runtime, routes, operator, key, stop, work, _folder: folder }
    }

    /// An account that is no operator's, and its key.
    pub async fn account(&self, email: &str) -> (Account, Secret) {
        let (now, email) = (Timestamp::now(), email.parse().expect("an e-mail address"));
        let password = Secret::new("correct horse battery staple");
        let account =
            self.store.accounts().create(&email, None, Some(&password), false, now).await.expect("an account");
        let (_, key) = self.store.api_keys().create(account.id, "test", None, now).await.expect("a key");
        (account, key)
    }

    /// A slug of the app with an image that has no layers.
    pub async fn slug(&self, app: &App, process_types: &[(&str, &str)]) -> SlugId {
        let process_types: ProcessTypes = process_types
            .iter()
            .map(|(name, command)| (name.parse().expect("a process type"), (*command).to_owned()))
            .collect();
        let new = NewImage { layers: Vec::new(), stack: app.stack.clone(), process_types: process_types.clone() };
        let hold = self.images.hold();
        let image = Image::create(&hold, new).expect("an image");
        let new = NewSlug {
            app: app.id,
            image: image.manifest,
            process_types,
            commit: Some("2c3a0b2f".repeat(5)),
            commit_description: Some("Say hello".to_owned()),
            buildpack_provided_description: Some("Node.js".to_owned()),
            stack: app.stack.clone(),
            size_bytes: 1234,
        };
        self.store.slugs().create(new, Timestamp::now()).await.expect("a slug").id
    }

    /// Ends the platform's own work and waits for it.
    pub async fn stop(mut self) {
        self.stop.cancel();
        if let Some(work) = self.work.take() {
            work.await.expect("the platform's work ends well");
        }
    }
}

impl Drop for TestPlatform {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
