//! The runtime that the server holds: it decides and prepares, the keeper
//! carries out.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use domain::DynoId;
use nix::fcntl::Flock;
use runtime::{DynoSpec, Events, Existing, Listening, Runtime, RuntimeError, StartError, Started, Usage};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, spawn_blocking};

use crate::cgroup::{CgroupError, Cgroups};
use crate::client::{Control, EventStream};
use crate::disks::Disks;
use crate::held::{Held, told};
use crate::ids::Ids;
use crate::images::Images;
use crate::listening::Probe;
use crate::network::{Network, Pool, SLOTS};
use crate::paths::Paths;
use crate::prepare::failed;
use crate::supervisor::{Connected, connect, supervise};
use crate::sweep::{lock, sweep};
use crate::wire::{Answer, Known, Order, Refusal, RefusalKind};

/// What a runtime needs to be opened.
#[derive(Debug, Clone)]
pub struct Config {
    /// Made if absent.
    pub data_dir: PathBuf,
    /// Program and arguments that end in [`crate::keeper_main`] for the same
    /// data directory.
    pub keeper_command: Vec<OsString>,
    /// So many networks are held ready for the next dynos (0 is allowed: each
    /// start then waits a few milliseconds more).
    pub spare_networks: usize,
    /// Unpack images even where the kernel can map the users of a mounted
    /// squashfs: slower first starts, more disk, the same dynos.
    pub unpack_images: bool,
}

impl Config {
    /// With the usual number of spare networks; images are unpacked only if need be.
    pub fn new(data_dir: PathBuf, keeper_command: Vec<OsString>) -> Self {
        Self { data_dir, keeper_command, spare_networks: 4, unpack_images: false }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("dynos need root: namespaces, mounts and cgroups are made by it")]
    NotRoot,
    #[error("the data directory `{}` can't be used", path.display())]
    DataDir { path: PathBuf, source: io::Error },
    #[error("another server uses this data directory")]
    InUse,
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
    #[error("could not set up the dynos' network")]
    Network(#[source] io::Error),
    #[error("could not start the keeper: {0}")]
    Keeper(String),
    #[error("could not clean up after an earlier server")]
    Sweep(#[source] io::Error),
}

/// Dynos as containers on this machine. Dropping it leaves them running; the
/// next [`LocalRuntime::open`] finds them again.
pub struct LocalRuntime {
    me: Weak<Self>,
    pub(crate) paths: Paths,
    keeper_command: Vec<OsString>,
    pub(crate) cgroups: Cgroups,
    pub(crate) network: Arc<Network>,
    pub(crate) pool: Pool,
    pub(crate) images: Arc<Images>,
    pub(crate) disks: Arc<Disks>,
    pub(crate) ids: Ids,
    control: Mutex<Arc<Control>>,
    held: Mutex<HashMap<DynoId, Held>>,
    /// Those of which the keeper has not said whether they run.
    doubtful: Mutex<HashMap<DynoId, Held>>,
    supervisor: OnceLock<AbortHandle>,
    _lock: Flock<File>,
}

/// Events on their way to the one who reads them; more wait in the keeper.
const MOST_WAITING_EVENTS: usize = 256;

impl LocalRuntime {
    /// Connects to the keeper of this data directory, or starts one; sets up
    /// bridge, firewall and cgroups, and repairs what is missing; removes what
    /// dynos have left that no keeper knows. To be called in a tokio runtime.
    pub async fn open(config: Config) -> Result<(Arc<Self>, Events), OpenError> {
        if !nix::unistd::geteuid().is_root() {
            return Err(OpenError::NotRoot);
        }
        let Config { data_dir, keeper_command, spare_networks, unpack_images } = config;
        let in_dir = |source| OpenError::DataDir { path: data_dir.clone(), source };
        fs::create_dir_all(&data_dir).map_err(in_dir)?;
        let paths = Paths::of(&data_dir).map_err(in_dir)?;
        paths.make().map_err(in_dir)?;
        let lock = lock(&paths.server_lock())?;

        let cgroups = Cgroups::detect(paths.cgroup())?;
        cgroups.make_parents()?;
        let of_task = paths.clone();
        let network = spawn_blocking(move || Network::open(&of_task)).await.map_err(|_| OpenError::InUse)?;
        let network = Arc::new(network.map_err(OpenError::Network)?);

        let (control, reader) = connect(&paths, &keeper_command).await?;
        let reader = tokio::spawn(reader);
        let known = list(&control).await.map_err(|error| OpenError::Keeper(error.to_string()))?;
        sweep(&paths, &cgroups, &known).map_err(OpenError::Sweep)?;
        let used: Vec<u16> = known.iter().map(|dyno| dyno.record.slot).collect();
        let images = Images::open(paths.mounts(), &known, unpack_images).map_err(OpenError::Sweep)?;
        let pool = Pool::open(&paths, network.subnet, &used, spare_networks).map_err(OpenError::Network)?;
        let held = known.into_iter().map(|dyno| (dyno.record.id, Held::of(&dyno.record, dyno.pid))).collect();
        let stream = EventStream::connect(&paths).await.map_err(|error| OpenError::Keeper(error.to_string()))?;

        let runtime = Arc::new_cyclic(|me| Self {
            me: Weak::clone(me),
            disks: Arc::new(Disks::new(paths.mounts())),
            ids: Ids::of(&paths),
            paths,
            keeper_command,
            cgroups,
            network,
            pool,
            images: Arc::new(images),
            control: Mutex::new(control),
            held: Mutex::new(held),
            doubtful: Mutex::default(),
            supervisor: OnceLock::new(),
            _lock: lock,
        });
        let (to_owner, events) = mpsc::channel(MOST_WAITING_EVENTS);
        let connected = Connected { reader, stream };
        let supervisor = tokio::spawn(supervise(Arc::downgrade(&runtime), connected, to_owner));
        // Aborted when the runtime is dropped.
        let _ = runtime.supervisor.set(supervisor.abort_handle());
        Ok((runtime, events))
    }

    /// Sets right what someone else has changed of bridge, firewall, kernel
    /// settings and cgroup parents. Cheap enough for a timer.
    pub async fn repair(&self) -> Result<(), OpenError> {
        self.cgroups.make_parents()?;
        let network = Arc::clone(&self.network);
        match spawn_blocking(move || network.repair()).await {
            Ok(repaired) => repaired.map_err(OpenError::Network),
            Err(panicked) => Err(OpenError::Network(io::Error::other(panicked))),
        }
    }

    pub(crate) fn held(&self) -> MutexGuard<'_, HashMap<DynoId, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn doubtful(&self) -> MutexGuard<'_, HashMap<DynoId, Held>> {
        self.doubtful.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn control(&self) -> Arc<Control> {
        Arc::clone(&self.control.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn ask(&self, dyno: DynoId, order: Order) -> Result<(Answer, Vec<OwnedFd>), RuntimeError> {
        match self.control().order(order, Vec::new()).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(Refusal { kind: RefusalKind::NoSuchDyno, .. })) => Err(RuntimeError::NoSuchDyno(dyno)),
            Ok(Err(refusal)) => Err(RuntimeError::Keeper(refusal.what)),
            Err(error) => Err(RuntimeError::Keeper(told(&error))),
        }
    }
}

impl Drop for LocalRuntime {
    fn drop(&mut self) {
        if let Some(supervisor) = self.supervisor.get() {
            supervisor.abort();
        }
    }
}

#[async_trait]
impl Runtime for LocalRuntime {
    async fn start(&self, spec: DynoSpec) -> Result<Started, StartError> {
        let Some(this) = self.me.upgrade() else {
            return Err(StartError::Failed { what: "the runtime is being closed".into(), source: None });
        };
        // In a task: a caller that stops waiting must not leave half a dyno.
        match tokio::spawn(this.start_prepared(spec)).await {
            Ok(started) => started,
            Err(panicked) => Err(failed("start it", io::Error::other(panicked))),
        }
    }

    async fn stop(&self, dyno: DynoId, grace: Duration) -> Result<(), RuntimeError> {
        let grace_ms = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
        self.ask(dyno, Order::Stop { dyno, grace_ms }).await.map(|_| ())
    }

    async fn remove(&self, dyno: DynoId) -> Result<(), RuntimeError> {
        let Some(this) = self.me.upgrade() else { return Err(RuntimeError::NoSuchDyno(dyno)) };
        // In a task: between the keeper's answer and what is freed no one stops.
        match tokio::spawn(this.forget(dyno)).await {
            Ok(removed) => removed,
            Err(panicked) => Err(RuntimeError::Keeper(panicked.to_string())),
        }
    }

    async fn list(&self) -> Result<Vec<Existing>, RuntimeError> {
        let known = list(&self.control()).await.map_err(|error| RuntimeError::Keeper(error.to_string()))?;
        Ok(known
            .into_iter()
            .map(|Known { record, exit, .. }| Existing {
                id: record.id,
                app: record.app,
                label: record.label,
                address: IpAddr::V4(record.address),
                started_at: record.started_at,
                exit: exit.map(Into::into),
            })
            .collect())
    }

    async fn listening(&self, dyno: DynoId, port: u16) -> Result<Listening, RuntimeError> {
        let Some(this) = self.me.upgrade() else { return Err(RuntimeError::NoSuchDyno(dyno)) };
        let (pid, address, probe) = {
            let held = self.held();
            let held = held.get(&dyno).ok_or(RuntimeError::NoSuchDyno(dyno))?;
            (held.pid, held.address, held.probe.clone())
        };
        let probe = match probe {
            Some(probe) => probe,
            None => {
                let opened = spawn_blocking(move || Probe::open(pid, dyno, address)).await;
                match opened.map_err(|panicked| RuntimeError::Keeper(panicked.to_string()))? {
                    Some(probe) => Arc::new(probe),
                    None => return Ok(Listening::No),
                }
            }
        };
        let found = probe.look(port);
        if let Some(held) = this.held().get_mut(&dyno) {
            held.probe = (found != Listening::Yes).then_some(probe);
        }
        Ok(found)
    }

    async fn drop_unused_images(&self, dry_run: bool) -> Result<u64, RuntimeError> {
        let images = Arc::clone(&self.images);
        let dropped = spawn_blocking(move || images.drop_unused(dry_run)).await;
        dropped.map_err(|panicked| RuntimeError::Images(io::Error::other(panicked)))?.map_err(RuntimeError::Images)
    }

    async fn usage(&self, dyno: DynoId) -> Result<Usage, RuntimeError> {
        if !self.held().contains_key(&dyno) {
            return Err(RuntimeError::NoSuchDyno(dyno));
        }
        self.cgroups.usage(dyno).map_err(|_| RuntimeError::NoSuchDyno(dyno))
    }
}

async fn list(control: &Control) -> io::Result<Vec<Known>> {
    match control.order(Order::List, Vec::new()).await.map_err(io::Error::other)? {
        Ok((Answer::Dynos(known), _)) => Ok(known),
        Ok(_) => Err(io::ErrorKind::InvalidData.into()),
        Err(refusal) => Err(io::Error::other(refusal.what)),
    }
}

/// A dyno that is killed is gone at once, unless the kernel holds it.
const SETTLE_AT_MOST: Duration = Duration::from_secs(10);

impl LocalRuntime {
    /// Both connections anew; orders go by the new one from now on.
    pub(crate) async fn connect_again(self: &Arc<Self>) -> Result<Connected, OpenError> {
        let (control, reader) = connect(&self.paths, &self.keeper_command).await?;
        let reader = tokio::spawn(reader);
        *self.control.lock().unwrap_or_else(PoisonError::into_inner) = control;
        let stream = EventStream::connect(&self.paths).await.map_err(|error| OpenError::Keeper(error.to_string()))?;
        // What takes longer stays in doubt until the next connection.
        let _late = tokio::time::timeout(SETTLE_AT_MOST, self.settle()).await;
        Ok(Connected { reader, stream })
    }
}

/// The most dynos that one data directory can have at a time.
pub const MOST_DYNOS: usize = SLOTS as usize;
