//! Git as a process that knows nothing of this machine.
//!
//! Its environment is ours alone: no configuration of the system or of a user,
//! no hooks but ours. It runs in a process group of its own under limits; when
//! the server is root, also as [`USER_ID`] and inside the [`Sandbox`].

use std::ffi::{CStr, CString, OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::resource::{Resource, rlim_t, setrlimit};
use nix::sys::signal::{Signal, killpg};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Gid, Pid, Uid, chdir, setgroups, setresgid, setresuid};
use tokio::process::{Child, Command};

use crate::config::Limits;
use crate::sandbox::{self, Sandbox};

/// User and group of the repositories' files, and of git, when the server is
/// root. It lies in a range that distributions leave alone.
pub const USER_ID: u32 = 60_710;

/// How long git has after SIGTERM, in which it removes its locks.
const GRACE: Duration = Duration::from_secs(3);

#[derive(Debug)]
pub(crate) struct Git {
    program: PathBuf,
    repositories: PathBuf,
    hooks: PathBuf,
    limits: Limits,
    sandbox: Option<Arc<Sandbox>>,
}

impl Git {
    /// `hooks`: the directory of our hooks, as git sees it.
    pub(crate) fn new(
        program: PathBuf,
        repositories: PathBuf,
        hooks: PathBuf,
        limits: Limits,
        sandbox: Option<Arc<Sandbox>>,
    ) -> Self {
        Self { program, repositories, hooks, limits, sandbox }
    }

    /// Where the repository lies for git, and for its hook.
    pub(crate) fn inside<'a>(&self, repository: &'a Path) -> &'a Path {
        if self.sandbox.is_some() { Path::new(sandbox::REPOSITORY) } else { repository }
    }

    /// Git in `repository` with these arguments; stdin, stdout and stderr are
    /// to be set by the caller.
    pub(crate) fn command<I>(&self, repository: &Path, args: I) -> io::Result<Command>
    where
        I: IntoIterator,
        I::Item: AsRef<OsStr>,
    {
        let mut command = Command::new(&self.program);
        command.args(args).env_clear().envs(self.environment()).env("GIT_DIR", self.inside(repository));
        command.stdin(Stdio::null()).process_group(0).kill_on_drop(true);
        if self.sandbox.is_none() {
            command.current_dir(repository);
        }
        self.confine(&mut command, repository)?;
        Ok(command)
    }

    fn environment(&self) -> Vec<(OsString, OsString)> {
        let push_bytes = self.limits.push_bytes.to_string();
        let config: [(&str, &OsStr); 22] = [
            ("core.hooksPath", self.hooks.as_os_str()),
            ("core.bigFileThreshold", OsStr::new("64m")),
            ("core.packedGitWindowSize", OsStr::new("64m")),
            ("core.packedGitLimit", OsStr::new("512m")),
            ("core.logAllRefUpdates", OsStr::new("false")),
            ("gc.auto", OsStr::new("0")),
            ("gc.autoDetach", OsStr::new("false")),
            ("maintenance.auto", OsStr::new("false")),
            ("pack.threads", OsStr::new("2")),
            ("pack.windowMemory", OsStr::new("256m")),
            ("protocol.allow", OsStr::new("never")),
            ("receive.autogc", OsStr::new("false")),
            ("receive.denyDeleteCurrent", OsStr::new("false")),
            ("receive.fsckObjects", OsStr::new("true")),
            // Old histories have these; they harm no one.
            ("receive.fsck.zeroPaddedFilemode", OsStr::new("ignore")),
            ("receive.fsck.missingSpaceBeforeDate", OsStr::new("ignore")),
            ("receive.fsck.badTimezone", OsStr::new("ignore")),
            // An empty packet now and then, so that a long silent build does
            // not look like a dead connection.
            ("receive.keepAlive", OsStr::new("5")),
            ("receive.maxInputSize", OsStr::new(&push_bytes)),
            ("tar.umask", OsStr::new("0022")),
            ("transfer.advertiseSID", OsStr::new("false")),
            ("uploadpack.keepAlive", OsStr::new("5")),
        ];
        let fixed = [
            ("PATH", "/usr/local/bin:/usr/bin:/bin"),
            ("HOME", "/nonexistent"),
            ("LC_ALL", "C.UTF-8"),
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_CONFIG_SYSTEM", "/dev/null"),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_ATTR_NOSYSTEM", "1"),
            ("GIT_NO_REPLACE_OBJECTS", "1"),
            ("GIT_PROTOCOL_FROM_USER", "0"),
            ("GIT_TERMINAL_PROMPT", "0"),
        ];
        let mut environment: Vec<(OsString, OsString)> =
            fixed.iter().map(|(name, value)| (name.into(), value.into())).collect();
        environment.push(("GIT_CONFIG_COUNT".into(), config.len().to_string().into()));
        for (index, (key, value)) in config.iter().enumerate() {
            environment.push((format!("GIT_CONFIG_KEY_{index}").into(), key.into()));
            environment.push((format!("GIT_CONFIG_VALUE_{index}").into(), value.into()));
        }
        environment
    }

    fn confine(&self, command: &mut Command, repository: &Path) -> io::Result<()> {
        let limits = [
            (Resource::RLIMIT_FSIZE, self.limits.push_bytes),
            (Resource::RLIMIT_AS, self.limits.memory_bytes),
            (Resource::RLIMIT_CPU, self.limits.cpu.as_secs()),
            (Resource::RLIMIT_NOFILE, 1024),
            (Resource::RLIMIT_CORE, 0),
        ];
        let entry = self.sandbox.as_ref().map(|sandbox| self.entry(sandbox, repository)).transpose()?;
        let confine = move || {
            for (resource, limit) in limits {
                setrlimit(resource, limit as rlim_t, limit as rlim_t)?;
            }
            if let Some(entry) = &entry {
                entry.enter()?;
            }
            nix::sys::prctl::set_no_new_privs()?;
            Ok(())
        };
        // SAFETY: between fork and exec the closure makes system calls only; it
        // neither allocates nor takes locks.
        #[expect(unsafe_code, reason = "the limits must bind git from its first instruction")]
        unsafe {
            command.pre_exec(confine)
        };
        Ok(())
    }

    fn entry(&self, sandbox: &Arc<Sandbox>, repository: &Path) -> io::Result<Entry> {
        let outside = || io::Error::other(format!("`{}` is not in the repositories' directory", repository.display()));
        let name = repository.strip_prefix(&self.repositories).map_err(|_| outside())?;
        if name.components().count() != 1 {
            return Err(outside());
        }
        let source = Path::new(sandbox::REPOSITORIES).join(name);
        Ok(Entry { sandbox: Arc::clone(sandbox), source: CString::new(source.as_os_str().as_bytes())? })
    }
}

/// The way into the sandbox, prepared so that nothing is allocated on it.
struct Entry {
    sandbox: Arc<Sandbox>,
    /// The repository inside, before it is the only one.
    source: CString,
}

impl Entry {
    /// Called between fork and exec: system calls only.
    fn enter(&self) -> nix::Result<()> {
        const NONE: Option<&CStr> = None;
        setns(&self.sandbox.mounts, CloneFlags::CLONE_NEWNS)?;
        setns(&self.sandbox.network, CloneFlags::CLONE_NEWNET)?;
        unshare(CloneFlags::CLONE_NEWNS)?;
        mount(Some(self.source.as_c_str()), sandbox::REPOSITORY, NONE, MsFlags::MS_BIND, NONE)?;
        umount2(sandbox::REPOSITORIES, MntFlags::MNT_DETACH)?;
        chdir(sandbox::REPOSITORY)?;
        umask(Mode::from_bits_truncate(0o077));
        setgroups(&[])?;
        let (user, group) = (Uid::from_raw(USER_ID), Gid::from_raw(USER_ID));
        setresgid(group, group, group)?;
        setresuid(user, user, user)
    }
}

/// A running git and everything that it started.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) child: Child,
    /// Until its end is known: afterwards the number may be another's.
    group: Option<Pid>,
}

impl Process {
    pub(crate) fn spawn(command: &mut Command) -> io::Result<Self> {
        let child = command.spawn()?;
        let group = child.id().map(|id| Pid::from_raw(id as i32));
        Ok(Self { child, group })
    }

    pub(crate) async fn wait(&mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait().await?;
        self.group = None;
        Ok(status)
    }

    /// Ends it: git removes its locks on SIGTERM; what is left after a grace
    /// is killed.
    pub(crate) async fn terminate(&mut self) -> io::Result<ExitStatus> {
        self.signal(Signal::SIGTERM);
        if let Ok(ended) = tokio::time::timeout(GRACE, self.wait()).await {
            return ended;
        }
        self.signal(Signal::SIGKILL);
        self.wait().await
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.group {
            // It fails when the group has just ended, which is what is wanted.
            let _ = killpg(group, signal);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL);
    }
}
