//! Order after a crash, before anything new is made.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use domain::DynoId;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::cgroup::Cgroups;
use crate::images::unmount;
use crate::inventory::mounts_below;
use crate::local::OpenError;
use crate::paths::Paths;
use crate::tree::remove_tree;
use crate::wire::Known;

/// Only one server uses a data directory; the lock goes with its process.
pub(crate) fn lock(path: &Path) -> Result<Flock<File>, OpenError> {
    let in_dir = |source| OpenError::DataDir { path: path.to_owned(), source };
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path).map_err(in_dir)?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| match errno {
        nix::errno::Errno::EWOULDBLOCK => OpenError::InUse,
        errno => in_dir(errno.into()),
    })
}

/// Removes what dynos have left that no keeper knows: after a keeper's death,
/// a reboot, or a server that died half-way through a start.
pub(crate) fn sweep(paths: &Paths, cgroups: &Cgroups, known: &[Known]) -> io::Result<()> {
    let alive = |id: &DynoId| known.iter().any(|dyno| dyno.record.id == *id && dyno.exit.is_none());
    let exists = |id: &DynoId| known.iter().any(|dyno| dyno.record.id == *id);
    for id in cgroups.dynos().into_iter().filter(|id| !alive(id)) {
        for pid in cgroups.processes_of(id) {
            // It is ours: it is in a group that bears a dyno's id. Gone already is fine.
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        if !exists(&id)
            && let Err(error) = cgroups.remove(id)
        {
            tracing::warn!(dyno.id = %id, %error, "A dead dyno's cgroup stays for now");
        }
    }
    for entry in fs::read_dir(paths.dynos())? {
        let entry = entry?;
        let id = entry.file_name().to_str().and_then(|name| name.parse::<DynoId>().ok());
        if id.is_none_or(|id| !exists(&id)) {
            unmount_below(&entry.path())?;
            remove_tree(&entry.path())?;
        }
    }
    Ok(())
}

fn unmount_below(dir: &Path) -> io::Result<()> {
    for place in mounts_below(dir) {
        unmount(&place).or_else(|error| if place == dir { Ok(()) } else { Err(error) })?;
    }
    Ok(())
}
