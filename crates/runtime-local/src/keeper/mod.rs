//! The keeper: one small process with one thread that has all dynos as its
//! children, so that the server may die, restart and be replaced.
//!
//! It clones dynos, holds their stdio, reaps them, kills those that overstay
//! their grace, and keeps what they write and how they ended until a server
//! has taken it in. It decides nothing else. It lives until `down`; if it is
//! killed, all its dynos die with it, so that none runs without a keeper.

mod connection;
mod dyno;
mod output;
mod serve;
mod spawn;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::SigSet;

use crate::cgroup::Cgroups;
use crate::paths::Paths;
use crate::seccomp::{FilterError, Filters};
use crate::sys;

#[derive(Debug, thiserror::Error)]
pub enum KeeperError {
    #[error("the data directory `{}` can't be used", path.display())]
    DataDir { path: PathBuf, source: io::Error },
    #[error("a keeper of this data directory is running already")]
    Running,
    #[error("could not become a keeper")]
    Setup(#[from] io::Error),
    #[error(transparent)]
    Filter(Box<dyn std::error::Error + Send + Sync>),
}

impl From<FilterError> for KeeperError {
    fn from(error: FilterError) -> Self {
        Self::Filter(Box::new(error))
    }
}

/// Becomes the keeper of a data directory: listens on `run/keeper.sock`, then
/// returns in the process that was started, while a child of it in a session
/// of its own goes on as the keeper. So whoever waits for the start knows that
/// the keeper can be reached once this returns.
///
/// To be called before any thread is started, from a process that does
/// nothing else.
pub fn keeper_main(data_dir: &Path) -> Result<(), KeeperError> {
    sys::process::close_all_but(&[0, 1, 2])?;
    let in_dir = |source| KeeperError::DataDir { path: data_dir.to_owned(), source };
    let paths = Paths::of(data_dir).map_err(in_dir)?;
    paths.make().map_err(in_dir)?;
    let filters = Filters::build()?;
    let lock = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(paths.keeper_lock())?;
    let mut lock = Flock::lock(lock, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| match errno {
        nix::errno::Errno::EWOULDBLOCK => KeeperError::Running,
        errno => KeeperError::Setup(errno.into()),
    })?;
    let listener = listen(&paths.keeper_socket())?;
    let cgroups = Cgroups::detect(paths.cgroup()).and_then(|cgroups| {
        cgroups.make_parents()?;
        cgroups.join_keepers()
    });

    if sys::process::fork()?.is_some() {
        // The lock belongs to the open file that both share: it must not be undone here.
        sys::process::exit_now(0);
    }
    nix::unistd::setsid().map_err(io::Error::from)?;
    nix::unistd::chdir("/").map_err(io::Error::from)?;
    lock.set_len(0)?;
    write!(lock, "{}", std::process::id())?;
    redirect_stdio(&paths.keeper_log())?;
    if let Err(error) = cgroups {
        // Dynos run all the same; a service manager might count them as its own.
        eprintln!("this keeper stays in the cgroups of who has started it: {error}");
    }
    // A keeper is ended by `down` alone. Signals stay pending for ever; children take the mask along and change it.
    SigSet::all().thread_block().map_err(io::Error::from)?;
    // Best effort: without the right to do so the keeper is as likely a victim as others.
    let _ = fs::write("/proc/self/oom_score_adj", "-500");
    raise_open_files();

    serve::Keeper::new(paths, listener, filters)?.run()?;
    drop(lock);
    Ok(())
}

/// A socket's address holds 107 bytes, which the path of a data directory may
/// exceed: it is named by way of the open directory.
pub(crate) fn through_dir<T>(path: &Path, act: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let dir = File::open(dir)?;
    act(&Path::new("/proc/self/fd").join(dir.as_raw_fd().to_string()).join(name))
}

fn listen(path: &Path) -> io::Result<UnixListener> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = through_dir(path, |short| UnixListener::bind(short))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Connects to the keeper of a data directory.
pub(crate) fn connect(paths: &Paths) -> io::Result<UnixStream> {
    through_dir(&paths.keeper_socket(), |short| UnixStream::connect(short))
}

fn redirect_stdio(log: &Path) -> io::Result<()> {
    let null = File::open("/dev/null")?;
    let log = OpenOptions::new().create(true).append(true).mode(0o600).open(log)?;
    sys::process::become_descriptor(null.as_fd(), 0)?;
    sys::process::become_descriptor(log.as_fd(), 1)?;
    sys::process::become_descriptor(log.as_fd(), 2)
}

/// Six descriptors per dyno: as many as the machine allows.
fn raise_open_files() {
    for limit in [1_048_576, 524_288, 65_536] {
        if setrlimit(Resource::RLIMIT_NOFILE, limit, limit).is_ok() {
            return;
        }
    }
    eprintln!("could not raise the limit of open files");
}
