//! The end of everything that a data directory has on this machine.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::cgroup::{self, CgroupError, Cgroups};
use crate::ids::Ids;
use crate::inventory::{keeper_pid, our_mounts};
use crate::paths::Paths;
use crate::sys::loops;
use crate::tree::remove_tree;
use crate::wire::{Answer, Hello, Known, Order, PROTOCOL, Reply, Request, Role, json_frame, take_frame};
use crate::{keeper, network};

/// What was there, and is not any more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DownReport {
    /// Dynos that ran.
    pub dynos: usize,
    pub keeper: bool,
    pub mounts: usize,
    pub cgroups: usize,
    pub links: usize,
    pub nft_tables: usize,
    pub loop_devices: usize,
}

#[derive(Debug, thiserror::Error)]
pub enum DownError {
    #[error("the data directory `{}` can't be read", path.display())]
    DataDir { path: PathBuf, source: io::Error },
    #[error("could not end the keeper")]
    Keeper(#[source] io::Error),
    #[error("could not unmount `{}`", path.display())]
    Unmount { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
    #[error("could not remove the dynos' network")]
    Network(#[source] io::Error),
    #[error("could not give back the dynos' user ids")]
    Ids(#[source] io::Error),
    #[error("a loop device still holds a file of the data directory")]
    LoopDevice,
    #[error("could not remove `{}`", path.display())]
    Remove { path: PathBuf, source: io::Error },
}

/// Ends that are not seen within this are an error.
const PATIENCE: Duration = Duration::from_secs(10);

/// Stops all dynos of a data directory (SIGTERM, then SIGKILL after `grace`),
/// ends its keeper, and removes every mount, loop device, cgroup, network
/// namespace, link and firewall table that belongs to it, whether or not a
/// server or a keeper runs. A server that does run has no dynos afterwards.
/// Blocks; may be repeated; a directory that does not exist has nothing to end.
pub fn down(data_dir: &Path, grace: Duration) -> Result<DownReport, DownError> {
    let mut report = DownReport::default();
    let paths = match Paths::of(data_dir) {
        Ok(paths) => paths,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(report),
        Err(source) => return Err(DownError::DataDir { path: data_dir.to_owned(), source }),
    };
    end_keeper(&paths, grace, &mut report).map_err(DownError::Keeper)?;
    end_cgroups(&paths, &mut report)?;

    report.links = network::links(&paths).len();
    report.nft_tables = usize::from(network::firewall_is_loaded(&paths));
    network::remove_all(&paths).map_err(DownError::Network)?;
    Ids::of(&paths).release().map_err(DownError::Ids)?;

    for place in our_mounts(&paths) {
        nix::mount::umount2(&place, nix::mount::MntFlags::MNT_DETACH)
            .map_err(|errno| DownError::Unmount { path: place.clone(), source: errno.into() })?;
        report.mounts += 1;
    }
    report.loop_devices = loops::backed_by(&paths.data_dir).len();
    free_loop_devices(&paths)?;
    clear_dir(&paths.dynos(), |_| true)?;
    clear_dir(&paths.mounts(), Path::is_dir)?;
    Ok(report)
}

fn end_keeper(paths: &Paths, grace: Duration, report: &mut DownReport) -> io::Result<()> {
    if let Ok(socket) = keeper::connect(paths) {
        report.keeper = true;
        // A keeper that does not answer, or not in time, is killed below.
        if let Ok(dynos) = shut_down(socket, grace) {
            report.dynos = dynos;
        }
    }
    if let Some(pid) = keeper_pid(paths)
        && !lock_is_free(paths, Duration::from_secs(1))?
    {
        report.keeper = true;
        match kill(Pid::from_raw(pid), Signal::SIGKILL) {
            Ok(()) | Err(nix::errno::Errno::ESRCH) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    if lock_is_free(paths, PATIENCE)? { Ok(()) } else { Err(io::ErrorKind::TimedOut.into()) }
}

/// Returns how many dynos ran.
fn shut_down(mut socket: UnixStream, grace: Duration) -> io::Result<usize> {
    socket.set_read_timeout(Some(grace + PATIENCE))?;
    socket.write_all(&json_frame(&Hello { protocol: PROTOCOL, role: Role::Control })?)?;
    socket.write_all(&json_frame(&Request { id: 1, order: Order::List })?)?;
    let grace_ms = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
    socket.write_all(&json_frame(&Request { id: 2, order: Order::Shutdown { grace_ms } })?)?;
    let mut buffer = Vec::new();
    let mut chunk = [0; 4096];
    let mut running = 0;
    loop {
        while let Some(frame) = take_frame(&mut buffer)? {
            // The first frame is the welcome.
            let Ok(reply) = serde_json::from_slice::<Reply>(&frame) else { continue };
            match (reply.id, reply.result) {
                (1, Ok(Answer::Dynos(known))) => running = known.iter().filter(|dyno| is_running(dyno)).count(),
                (2, _) => return Ok(running),
                _ => {}
            }
        }
        let length = socket.read(&mut chunk)?;
        if length == 0 {
            return Ok(running);
        }
        buffer.extend_from_slice(&chunk[..length]);
    }
}

fn is_running(dyno: &Known) -> bool {
    dyno.exit.is_none()
}

/// Waits until no keeper holds its lock.
fn lock_is_free(paths: &Paths, patience: Duration) -> io::Result<bool> {
    until(patience, || match File::open(paths.keeper_lock()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
        Ok(file) => Ok(Flock::lock(file, FlockArg::LockSharedNonblock).is_ok()),
    })
}

fn end_cgroups(paths: &Paths, report: &mut DownReport) -> Result<(), DownError> {
    let cgroups = match Cgroups::detect(paths.cgroup()) {
        Ok(cgroups) => cgroups,
        // Then there never was a dyno.
        Err(CgroupError::NoController(_)) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    // With the keeper gone these die by themselves; this is for what a crash left.
    for pid in cgroups.processes() {
        let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
    }
    for parent in cgroups.parents().into_iter().filter(|parent| parent.exists()) {
        let entries = fs::read_dir(&parent).map_err(|source| CgroupError::Access { path: parent.clone(), source })?;
        for entry in entries.filter_map(Result::ok).filter(|entry| entry.path().is_dir()) {
            cgroup::remove(&entry.path())?;
            report.cgroups += 1;
        }
        cgroup::remove(&parent)?;
        report.cgroups += 1;
    }
    Ok(())
}

/// They free themselves when their last mount is gone, which the kernel does a
/// moment after the last process of a dyno.
fn free_loop_devices(paths: &Paths) -> Result<(), DownError> {
    let freed = until(PATIENCE, || {
        let devices = loops::backed_by(&paths.data_dir);
        for device in &devices {
            // Marks it to be freed with its last user; one that was freed meanwhile is an error of no matter.
            let _ = loops::clear(device);
        }
        Ok(devices.is_empty())
    });
    if freed.unwrap_or(false) { Ok(()) } else { Err(DownError::LoopDevice) }
}

fn clear_dir(dir: &Path, which: impl Fn(&Path) -> bool) -> Result<(), DownError> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other.map_err(|source| DownError::Remove { path: dir.to_owned(), source })?,
    };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| which(path)) {
        let removed = if path.is_dir() { remove_tree(&path) } else { fs::remove_file(&path) };
        removed.map_err(|source| DownError::Remove { path: path.clone(), source })?;
    }
    Ok(())
}

/// Looks again every few milliseconds; `false` if it never came true.
fn until(patience: Duration, mut check: impl FnMut() -> io::Result<bool>) -> io::Result<bool> {
    let deadline = Instant::now() + patience;
    loop {
        if check()? {
            return Ok(true);
        }
        if Instant::now() >= deadline {
            return Ok(false);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
