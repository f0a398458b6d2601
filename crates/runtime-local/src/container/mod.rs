//! The making of a dyno, from inside: what its first process does between its
//! birth and the app's `main`.
//!
//! The keeper clones; the child is pid 1 of the dyno. It begins as the host's
//! root, in new mount, pid, ipc and uts namespaces, and gives away one thing
//! after the other: joins its cgroups, enters its network, builds its root and
//! forgets the old one, then enters the dyno's user namespace, which owns none
//! of the others: even a process that regained capabilities there could not
//! mount, configure the network or see other processes. Pid 1 never execs.

mod devices;
mod disk;
mod exec;
mod init;
mod root;

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::prctl;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::{Gid, Uid, setgroups, sethostname, setresgid, setresuid};

pub(crate) use init::StatusMessage;

use crate::seccomp::Filters;
use crate::sys;
use crate::wire::{Plan, PlanStdio};
use exec::AppStdio;

/// The namespaces that the clone itself makes. Network and user namespaces
/// come ready-made; the cgroup namespace follows once the cgroups are joined.
pub(crate) const CLONE_FLAGS: u64 =
    (libc::CLONE_NEWNS | libc::CLONE_NEWPID | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS) as u64;

/// What the child takes over from the keeper; all else is closed.
pub(crate) struct Handles {
    /// A sequenced-packet socket for [`StatusMessage`]s.
    pub(crate) status: OwnedFd,
    pub(crate) netns: OwnedFd,
    pub(crate) userns: OwnedFd,
    /// `None`: the dyno's own `/dev/null`.
    pub(crate) stdin: Option<OwnedFd>,
    /// stdout and stderr; `None` for a terminal.
    pub(crate) output: Option<(OwnedFd, OwnedFd)>,
}

/// A step of the making that failed.
#[derive(Debug)]
pub(crate) struct SetupError {
    pub(crate) what: String,
    pub(crate) source: io::Error,
}

/// Names the step that an error comes from.
trait Step<T> {
    fn step(self, what: &str) -> Result<T, SetupError>;
}

impl<T, E: Into<io::Error>> Step<T> for Result<T, E> {
    fn step(self, what: &str) -> Result<T, SetupError> {
        self.map_err(|error| SetupError { what: what.to_owned(), source: error.into() })
    }
}

/// Runs in the child, and never returns into the keeper's code.
pub(crate) fn enter(plan: &Plan, handles: Handles, filters: &Filters) -> ! {
    // A panic must not unwind into the copy of the keeper's loop.
    let code = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let Handles { status, netns, userns, stdin, output } = handles;
        let keep: Vec<RawFd> = [&status, &netns, &userns]
            .into_iter()
            .chain(&stdin)
            .chain(output.iter().flat_map(|(out, err)| [out, err]))
            .map(AsRawFd::as_raw_fd)
            // Kept so that nothing new gets their numbers; they are replaced before the app's exec.
            .chain(0..3)
            .collect();
        let made = sys::process::close_all_but(&keep)
            .step("close the keeper's descriptors")
            .and_then(|()| prepare(plan, &status, netns, userns, stdin, output, filters));
        match made {
            Ok(stdio) => init::run(plan, status, stdio),
            Err(error) => {
                // If even this does not arrive, the keeper sees the end of the socket.
                let _ = StatusMessage::Failed(error).send(status.as_fd());
                1
            }
        }
    }));
    sys::process::exit_now(code.unwrap_or(1))
}

fn prepare(
    plan: &Plan,
    status: &OwnedFd,
    netns: OwnedFd,
    userns: OwnedFd,
    stdin: Option<OwnedFd>,
    output: Option<(OwnedFd, OwnedFd)>,
    filters: &Filters,
) -> Result<AppStdio, SetupError> {
    // Pending until pid 1 waits for them: an early stop order is not lost.
    SigSet::all().thread_block().step("block signals")?;
    nix::sys::stat::umask(nix::sys::stat::Mode::empty());
    join_cgroups(plan)?;
    sys::process::leave_session_keyring().step("leave the keyring")?;
    setns(&netns, CloneFlags::CLONE_NEWNET).step("enter the network")?;
    drop(netns);

    root::build(plan, &userns)?;
    sethostname(&plan.hostname).step("set the host name")?;
    let (user, group) = (plan.first_id + runtime::USER_ID, plan.first_id + devices::TTY_GROUP);
    let stdio = match (plan.stdio, output) {
        (PlanStdio::Terminal { columns, rows }, _) => {
            let master = fs::OpenOptions::new().read(true).write(true).open("/dev/ptmx").step("open a terminal")?;
            let slave = sys::terminal::open_slave(&master, columns, rows).step("open a terminal")?;
            nix::unistd::fchown(&slave, Some(Uid::from_raw(user)), Some(Gid::from_raw(group)))
                .step("own the terminal")?;
            StatusMessage::Terminal(master.into()).send(status.as_fd()).step("hand over the terminal")?;
            AppStdio::Terminal(slave)
        }
        (_, Some((stdout, stderr))) => {
            let stdin = match stdin {
                Some(stdin) => stdin,
                None => fs::File::open("/dev/null").step("open /dev/null")?.into(),
            };
            // Or else opening /dev/stdout would be refused.
            for stream in [&stdin, &stdout, &stderr] {
                if is_pipe(stream) {
                    nix::unistd::fchown(stream, Some(Uid::from_raw(user)), None).step("own the output")?;
                }
            }
            AppStdio::Streams { stdin, stdout, stderr }
        }
        (_, None) => return Err(io::Error::from(io::ErrorKind::InvalidInput)).step("connect the output"),
    };
    limit_resources()?;
    become_nobody(&userns)?;
    filters.apply().map_err(|error| SetupError {
        what: "load the filter of system calls".to_owned(),
        source: io::Error::other(error),
    })?;
    Ok(stdio)
}

fn is_pipe(fd: &OwnedFd) -> bool {
    nix::sys::stat::fstat(fd).is_ok_and(|stat| stat.st_mode & libc::S_IFMT == libc::S_IFIFO)
}

/// In v1 hierarchies by writing to `tasks`: for a process that moves itself
/// the kernel then skips the lock, and the wait for all CPUs, that moving a
/// thread group costs (milliseconds per hierarchy).
fn join_cgroups(plan: &Plan) -> Result<(), SetupError> {
    for dir in &plan.cgroup.legacy {
        fs::OpenOptions::new()
            .write(true)
            .open(dir.join("tasks"))
            .and_then(|mut tasks| io::Write::write_all(&mut tasks, b"0"))
            .map_err(|source| SetupError { what: format!("join the cgroup `{}`", dir.display()), source })?;
    }
    // The host's procfs is still there. Whatever the keeper is spared, the dyno is not.
    fs::write("/proc/self/oom_score_adj", "0").step("set the OOM score")?;
    unshare(CloneFlags::CLONE_NEWCGROUP).step("make the cgroup namespace")
}

fn limit_resources() -> Result<(), SetupError> {
    const OPEN_FILES: u64 = 10_000;
    const LOCKED_BYTES: u64 = 8 * 1024 * 1024;
    const STACK_BYTES: u64 = 8 * 1024 * 1024;
    let limits = [
        // Not 0: a host that pipes cores to a handler of its own would still run it, as root.
        (Resource::RLIMIT_CORE, 1, 1),
        (Resource::RLIMIT_NOFILE, OPEN_FILES, OPEN_FILES),
        (Resource::RLIMIT_MEMLOCK, LOCKED_BYTES, LOCKED_BYTES),
        (Resource::RLIMIT_STACK, STACK_BYTES, libc::RLIM_INFINITY),
        // The cgroup counts the dyno's processes; this one counts by user, over the whole machine.
        (Resource::RLIMIT_NPROC, libc::RLIM_INFINITY, libc::RLIM_INFINITY),
    ];
    for (resource, soft, hard) in limits {
        // A root without the right to raise limits (inside another container) keeps to those that it has.
        let (_, most) = getrlimit(resource).step("read limits")?;
        setrlimit(resource, soft.min(most), hard.min(most)).step("set limits")?;
    }
    Ok(())
}

/// From the host's root to user 1000 of the dyno's user namespace, without a
/// way back.
fn become_nobody(userns: &OwnedFd) -> Result<(), SetupError> {
    let (user, group) = (Uid::from_raw(runtime::USER_ID), Gid::from_raw(runtime::USER_ID));
    setns(userns, CloneFlags::CLONE_NEWUSER).step("enter the user namespace")?;
    sys::process::drop_bounding_set().step("drop the bounding set")?;
    setgroups(&[]).step("leave the groups")?;
    setresgid(group, group, group).step("take the group")?;
    setresuid(user, user, user).step("take the user")?;
    sys::process::drop_capabilities().step("drop the capabilities")?;
    prctl::set_no_new_privs().step("refuse new privileges")?;
    // After the change of user, which resets both. Non-dumpable: the app has the same user, and must not get at pid 1.
    prctl::set_pdeathsig(Signal::SIGKILL).step("bind to the keeper's life")?;
    prctl::set_dumpable(false).step("close to tracing")
}
