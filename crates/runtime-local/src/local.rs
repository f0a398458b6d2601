//! The runtime that the server holds: it decides and prepares, the keeper
//! carries out.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use domain::DynoId;
use nix::fcntl::{Flock, OFlag};
use nix::unistd::pipe2;
use runtime::{
    Attachment, DynoSpec, Events, Existing, Listening, Runtime, RuntimeError, StackRoot, StartError, Started, Stdio,
    Usage,
};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, spawn_blocking};

use crate::cgroup::{CgroupError, Cgroups};
use crate::client::{Control, EventStream};
use crate::disks::Disks;
use crate::images::Images;
use crate::network::{Network, Pool, SLOTS, Sandbox, TakeError};
use crate::paths::Paths;
use crate::supervisor::{Connected, connect, supervise};
use crate::sweep::{lock, sweep};
use crate::wire::{Answer, Known, Order, Plan, PlanMount, PlanRoot, PlanStdio, Record, Refusal, RefusalKind};
use crate::{attach, etc, listening};

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
    paths: Paths,
    keeper_command: Vec<OsString>,
    cgroups: Cgroups,
    network: Arc<Network>,
    pool: Pool,
    images: Arc<Images>,
    disks: Arc<Disks>,
    control: Mutex<Arc<Control>>,
    held: Mutex<HashMap<DynoId, Held>>,
    supervisor: OnceLock<AbortHandle>,
    _lock: Flock<File>,
}

/// What a dyno holds until it is removed.
struct Held {
    slot: u16,
    address: Ipv4Addr,
    images: Vec<String>,
    /// The host's number of its pid 1; 0: it had ended when it was found.
    pid: i32,
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
        let held = known.into_iter().map(|dyno| (dyno.record.id, Held::of(dyno.record, dyno.pid))).collect();
        let stream = EventStream::connect(&paths).await.map_err(|error| OpenError::Keeper(error.to_string()))?;

        let runtime = Arc::new_cyclic(|me| Self {
            me: Weak::clone(me),
            disks: Arc::new(Disks::new(paths.mounts())),
            paths,
            keeper_command,
            cgroups,
            network,
            pool,
            images: Arc::new(images),
            control: Mutex::new(control),
            held: Mutex::new(held),
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

    fn held(&self) -> MutexGuard<'_, HashMap<DynoId, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn control(&self) -> Arc<Control> {
        Arc::clone(&self.control.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn start_prepared(self: Arc<Self>, spec: DynoSpec) -> Result<Started, StartError> {
        let sandbox = self.pool.take().await.map_err(|error| match error {
            TakeError::Full { limit } => StartError::NoNetwork { limit },
            TakeError::Make(source) => failed("make its network", source),
            TakeError::Gone => StartError::Failed { what: error.to_string(), source: None },
        })?;
        let Sandbox { slot, address, netns } = sandbox;
        let id = spec.id;
        let this = Arc::clone(&self);
        let prepared = spawn_blocking(move || this.prepare(&spec, slot, address)).await;
        let plan = match prepared {
            Ok(Ok(plan)) => plan,
            Ok(Err(error)) => {
                self.pool.put_back(slot, address, Some(netns));
                return Err(error);
            }
            Err(panicked) => return Err(failed("prepare it", io::Error::other(panicked))),
        };
        let held = Held { slot, address, images: plan.record.images.clone(), pid: 0 };
        match self.carry_out(plan, netns).await {
            Ok((pid, attachment)) => {
                self.held().insert(id, Held { pid, ..held });
                Ok(Started { address: IpAddr::V4(address), attachment })
            }
            Err(error) => {
                self.free(id, held, None).await;
                Err(error)
            }
        }
    }

    /// Makes all that a dyno needs on the host. Blocks for the odd
    /// millisecond, longer for the first mount of an image, or for seconds if
    /// it is to be unpacked.
    fn prepare(&self, spec: &DynoSpec, slot: u16, address: Ipv4Addr) -> Result<Plan, StartError> {
        let mut images = Vec::new();
        let prepared = self.prepare_with(spec, slot, address, &mut images);
        if prepared.is_err() {
            self.images.release(&images);
            self.remove_files(spec.id);
        }
        prepared
    }

    fn prepare_with(
        &self,
        spec: &DynoSpec,
        slot: u16,
        address: Ipv4Addr,
        images: &mut Vec<String>,
    ) -> Result<Plan, StartError> {
        let mut acquire = |image: &Path| {
            let name = self.images.acquire(image).map_err(|error| {
                let (what, source) = error.into_parts();
                StartError::Failed { what, source: Some(source) }
            })?;
            images.push(name.clone());
            Ok::<PathBuf, StartError>(self.images.place(&name))
        };
        let stack = match &spec.root.stack {
            StackRoot::Image(image) => Some(acquire(image)?),
            StackRoot::Host => None,
        };
        let mut layers = Vec::new();
        for layer in &spec.root.layers {
            let app = acquire(layer)?.join("app");
            if app.is_dir() {
                layers.push(app);
            }
        }
        let resolv_conf = self.network.resolv_conf().map_err(|source| failed("read the name servers", source))?;
        let dir = self.paths.dyno(spec.id);
        fs::DirBuilder::new().mode(0o700).create(&dir).map_err(|source| failed("make its directory", source))?;
        let cgroup = self
            .cgroups
            .make(spec.id, &spec.limits)
            .map_err(|error| StartError::Failed { what: error.to_string(), source: None })?;
        let disk = self.disks.of_size(spec.limits.disk_bytes).map_err(|source| failed("make its disk", source))?;
        Ok(Plan {
            record: Record {
                id: spec.id,
                app: spec.app,
                label: spec.label.clone(),
                slot,
                address,
                started_at: jiff::Timestamp::now(),
                images: images.clone(),
                oom: cgroup.oom.clone(),
            },
            first_id: self.paths.first_id(slot),
            hostname: spec.hostname.clone(),
            files: etc::files(spec, stack.as_deref(), address, resolv_conf),
            root: stack.map_or(PlanRoot::Host, PlanRoot::Mounted),
            layers,
            command: spec.command.clone(),
            env: spec.env.clone(),
            cwd: spec.cwd.clone(),
            mounts: spec
                .mounts
                .iter()
                .map(|mount| PlanMount {
                    source: mount.source.clone(),
                    target: mount.target.clone(),
                    read_only: mount.read_only,
                })
                .collect(),
            cgroup,
            disk,
            shm_bytes: spec.limits.memory_bytes,
            scratch: self.paths.scratch(),
            dir,
            stdio: match spec.stdio {
                Stdio::Logged => PlanStdio::Logged,
                Stdio::Attached { terminal: None } => PlanStdio::Pipes,
                Stdio::Attached { terminal: Some(size) } => {
                    PlanStdio::Terminal { columns: size.columns, rows: size.rows }
                }
            },
        })
    }

    /// Has the keeper start it. Returns pid 1 and the client's end.
    async fn carry_out(&self, plan: Plan, netns: OwnedFd) -> Result<(i32, Option<Attachment>), StartError> {
        let pipe = || pipe2(OFlag::O_CLOEXEC).map_err(|errno| failed("make its pipes", errno.into()));
        let mut descriptors = vec![netns];
        let stdio = plan.stdio;
        let (mut streams, mut lifeline) = (None, None);
        if let PlanStdio::Pipes = stdio {
            let ((stdin, input), (output, stdout)) = (pipe()?, pipe()?);
            descriptors.extend([stdin, stdout]);
            streams = Some((input, output));
        }
        if !matches!(stdio, PlanStdio::Logged) {
            let (theirs, ours) = pipe()?;
            descriptors.push(theirs);
            lifeline = Some(ours);
        }
        let outcome = self.control().order(Order::Start { plan: Box::new(plan) }, &descriptors).await;
        let (pid, master) = match outcome.map_err(|source| failed("reach the keeper", source))? {
            Ok((Answer::Started(pid), mut descriptors)) => (pid, descriptors.pop()),
            Ok(_) => {
                return Err(StartError::Failed { what: "the keeper's answer makes no sense".into(), source: None });
            }
            Err(Refusal { what, code, .. }) => {
                return Err(StartError::Failed { what, source: code.map(io::Error::from_raw_os_error) });
            }
        };
        let attachment = match (streams, master, lifeline) {
            (Some((input, output)), _, Some(lifeline)) => Some(attach::pipes(input, output, lifeline)),
            (None, Some(master), Some(lifeline)) => Some(attach::terminal(master, lifeline)),
            _ => None,
        };
        let attachment = attachment.transpose().map_err(|source| failed("attach to it", source))?;
        Ok((pid, attachment))
    }

    /// Gives back what a dyno held; all its processes are gone.
    async fn free(&self, id: DynoId, held: Held, netns: Option<OwnedFd>) {
        self.images.release(&held.images);
        if let Some(this) = self.me.upgrade()
            && let Err(panicked) = spawn_blocking(move || this.remove_files(id)).await
        {
            tracing::error!("Could not remove the files of dyno {id}: {panicked}");
        }
        self.pool.put_back(held.slot, held.address, netns);
    }

    fn remove_files(&self, id: DynoId) {
        if let Err(error) = self.cgroups.remove(id) {
            tracing::warn!("Could not remove the cgroup of dyno {id}: {error}");
        }
        if let Err(error) = fs::remove_dir_all(self.paths.dyno(id))
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!("Could not remove the directory of dyno {id}: {error}");
        }
    }

    async fn ask(&self, dyno: DynoId, order: Order) -> Result<(Answer, Vec<OwnedFd>), RuntimeError> {
        match self.control().order(order, &[]).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(Refusal { kind: RefusalKind::NoSuchDyno, .. })) => Err(RuntimeError::NoSuchDyno(dyno)),
            Ok(Err(refusal)) => Err(RuntimeError::Keeper(refusal.what)),
            Err(error) => Err(RuntimeError::Keeper(error.to_string())),
        }
    }
}

impl Held {
    fn of(record: Record, pid: i32) -> Self {
        Self { slot: record.slot, address: record.address, images: record.images, pid }
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
        let (_, mut descriptors) = self.ask(dyno, Order::Forget { dyno }).await?;
        let held = self.held().remove(&dyno);
        if let Some(held) = held {
            self.free(dyno, held, descriptors.pop()).await;
        }
        Ok(())
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
        let pid = self.held().get(&dyno).map(|held| held.pid).ok_or(RuntimeError::NoSuchDyno(dyno))?;
        // The number may be another process's by now: the cgroup tells.
        let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        let is_it = pid != 0 && groups.contains(&dyno.to_string());
        Ok(if is_it { listening::of_process(pid, port) } else { Listening::No })
    }

    async fn usage(&self, dyno: DynoId) -> Result<Usage, RuntimeError> {
        if !self.held().contains_key(&dyno) {
            return Err(RuntimeError::NoSuchDyno(dyno));
        }
        self.cgroups.usage(dyno).map_err(|_| RuntimeError::NoSuchDyno(dyno))
    }
}

fn failed(what: &str, source: io::Error) -> StartError {
    StartError::Failed { what: format!("could not {what}"), source: Some(source) }
}

async fn list(control: &Control) -> io::Result<Vec<Known>> {
    match control.order(Order::List, &[]).await? {
        Ok((Answer::Dynos(known), _)) => Ok(known),
        Ok(_) => Err(io::ErrorKind::InvalidData.into()),
        Err(refusal) => Err(io::Error::other(refusal.what)),
    }
}

impl LocalRuntime {
    /// Both connections anew; orders go by the new one from now on.
    pub(crate) async fn connect_again(&self) -> Result<Connected, OpenError> {
        let (control, reader) = connect(&self.paths, &self.keeper_command).await?;
        let reader = tokio::spawn(reader);
        *self.control.lock().unwrap_or_else(PoisonError::into_inner) = control;
        let stream = EventStream::connect(&self.paths).await.map_err(|error| OpenError::Keeper(error.to_string()))?;
        Ok(Connected { reader, stream })
    }
}

/// The most dynos that one data directory can have at a time.
pub const MOST_DYNOS: usize = SLOTS as usize;
