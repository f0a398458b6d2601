//! What runs a dyno, whichever way: the [`Runtime`] trait and its data.
//!
//! A runtime starts and stops dynos and tells what becomes of them. It knows
//! nothing of apps' rules, of the store or of HTTP. Dynos outlive the process
//! that started them: after a restart [`Runtime::list`] tells what still runs.
//!
//! ```
//! use runtime::ExitStatus;
//!
//! // What a shell shows, and `heroku run -x` gives.
//! assert_eq!(ExitStatus::Code(3).code(), 3);
//! assert_eq!(ExitStatus::Signal(9).code(), 137);
//! ```

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use domain::{AppId, DynoId};
use jiff::Timestamp;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;

/// All that a runtime must know to start a dyno.
#[derive(Debug, Clone)]
pub struct DynoSpec {
    pub id: DynoId,
    pub app: AppId,
    /// The host name that the dyno sees (`web-1-<first of its id>`).
    pub hostname: String,
    pub root: RootFs,
    /// Program and arguments; the program is looked up in the dyno's `PATH`.
    pub command: Vec<String>,
    /// The whole environment: nothing of the server's is inherited.
    pub env: Vec<(String, String)>,
    pub cwd: PathBuf,
    pub mounts: Vec<Mount>,
    pub limits: Limits,
    pub stdio: Stdio,
    /// Free text that [`Runtime::list`] gives back after a restart: how the
    /// platform finds again which release and name this dyno has (JSON).
    pub label: String,
}

/// What lies at `/` and at `/app`.
#[derive(Debug, Clone)]
pub struct RootFs {
    pub stack: StackRoot,
    /// Squashfs files whose `/app` directories are laid over each other, the
    /// first lowest; `/app` is writable above them and thrown away at the end.
    pub layers: Vec<PathBuf>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StackRoot {
    /// One read-only squashfs image of a whole root filesystem.
    Image(PathBuf),
    /// The machine's own `/usr`, read-only, with a minimal `/etc`.
    Host,
}

/// A directory or file of the host that the dyno sees. The files in it must
/// belong to user 1000 of the image's numbering ([`USER_ID`]) if the dyno is
/// to write: the runtime maps that user to the dyno's own.
#[derive(Debug, Clone)]
pub struct Mount {
    pub source: PathBuf,
    /// Absolute, inside the dyno; made if absent.
    pub target: PathBuf,
    pub read_only: bool,
}

/// The user and group that a dyno's processes have inside it, and that files
/// of layers and mounts belong to on disk.
pub const USER_ID: u32 = 1000;

#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub memory_bytes: u64,
    /// Processes and threads.
    pub processes: u32,
    /// Relative share of the CPU: 1 is one Standard-1X dyno.
    pub cpu_share: u32,
    /// At most this many CPUs, in thousandths; `None`: as many as there are.
    pub cpu_millis: Option<u32>,
    /// What the dyno may write to `/app` and `/tmp` together.
    pub disk_bytes: u64,
}

#[derive(Debug, Clone, Copy)]
pub enum Stdio {
    /// Output becomes [`Event::Output`]; stdin is empty.
    Logged,
    /// One client at the other end; with a terminal of this size, or pipes
    /// (stdout and stderr merged in the order written).
    Attached { terminal: Option<TerminalSize> },
}

#[derive(Debug, Clone, Copy)]
pub struct TerminalSize {
    pub columns: u16,
    pub rows: u16,
}

/// The other end of an attached dyno's stdio. `input` dropped or shut down is
/// end of file (pipes) or hang-up (terminal).
pub struct Attachment {
    pub input: Box<dyn AsyncWrite + Send + Unpin>,
    pub output: Box<dyn AsyncRead + Send + Unpin>,
}

pub struct Started {
    /// Where its ports can be reached from this machine.
    pub address: IpAddr,
    pub attachment: Option<Attachment>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stream {
    Stdout,
    Stderr,
}

/// What a runtime reports, in order per dyno.
#[derive(Debug)]
pub enum Event {
    /// Bytes as written by the dyno: not lines.
    Output { dyno: DynoId, stream: Stream, at: Timestamp, bytes: Bytes },
    /// Output that was written while no one read and did not fit the buffer.
    Lost { dyno: DynoId, bytes: u64 },
    /// All its processes are gone. Reported again after a restart until
    /// [`Runtime::remove`] is called.
    Exited { dyno: DynoId, at: Timestamp, exit: Exit },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit {
    pub status: ExitStatus,
    /// The kernel killed a process of it for want of memory.
    pub out_of_memory: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitStatus {
    Code(i32),
    Signal(i32),
    /// The one who watched it is gone, and the status with it.
    Unknown,
}

impl ExitStatus {
    /// The status as a shell shows it: 128 + the signal's number for signals.
    pub const fn code(self) -> i32 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => 128 + signal,
            Self::Unknown => 255,
        }
    }
}

/// A dyno that the runtime has, alive or ended but not removed.
#[derive(Debug, Clone)]
pub struct Existing {
    pub id: DynoId,
    pub app: AppId,
    pub label: String,
    pub address: IpAddr,
    pub started_at: Timestamp,
    pub exit: Option<Exit>,
}

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the machine has no free network for one more dyno (limit: {limit})")]
    NoNetwork { limit: usize },
    #[error("could not start the dyno: {what}")]
    Failed {
        what: String,
        #[source]
        source: Option<std::io::Error>,
    },
}

#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    #[error("there is no dyno {0}")]
    NoSuchDyno(DynoId),
    #[error("the dynos' keeper can't be reached: {0}")]
    Keeper(String),
    #[error("an image that no dyno uses can't be let go of")]
    Images(#[source] std::io::Error),
}

/// Starts, stops and watches dynos. All methods may be called at any time and
/// from any task.
#[async_trait]
pub trait Runtime: Send + Sync {
    /// Returns once the dyno's first process runs (it may not have reached
    /// its own `main` yet).
    async fn start(&self, spec: DynoSpec) -> Result<Started, StartError>;

    /// SIGTERM to every process of the dyno, SIGKILL after `grace`. Returns
    /// once the order is taken; the end comes as [`Event::Exited`]. Asking
    /// again, or for one that has ended, is fine.
    async fn stop(&self, dyno: DynoId, grace: Duration) -> Result<(), RuntimeError>;

    /// Forgets an ended dyno and frees what it held (files, network, cgroup).
    /// One that still runs is killed first.
    async fn remove(&self, dyno: DynoId) -> Result<(), RuntimeError>;

    /// All dynos that are not removed, also those started by an earlier server.
    async fn list(&self) -> Result<Vec<Existing>, RuntimeError>;

    /// Whether a process of the dyno listens on this TCP port, and for whom.
    /// Looks without connecting, so the app notices nothing.
    async fn listening(&self, dyno: DynoId, port: u16) -> Result<Listening, RuntimeError>;

    /// Lets go of images that it keeps ready for the next dyno though their
    /// files were deleted, and tells how many; with `dry_run` only counts. As
    /// long as it keeps one, the file takes its place on the disk.
    async fn drop_unused_images(&self, dry_run: bool) -> Result<u64, RuntimeError>;

    /// What a dyno uses now.
    async fn usage(&self, dyno: DynoId) -> Result<Usage, RuntimeError>;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listening {
    No,
    /// Bound to the dyno's loopback: the router can't reach it.
    OnLoopbackOnly,
    Yes,
}

#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    pub memory_bytes: u64,
    pub cpu_time: Duration,
    pub processes: u32,
}

/// Where a runtime's events arrive; there is one receiver per runtime. Full
/// means that the reader is behind: the runtime then buffers on its side.
pub type Events = mpsc::Receiver<Event>;
