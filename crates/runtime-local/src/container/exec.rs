//! The app's own process, up to its exec.

use std::ffi::{CString, NulError};
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::sys::signal::{SigHandler, SigSet, Signal, signal};
use nix::unistd::{chdir, execve, setsid};

use crate::sys;
use crate::wire::Plan;

/// What becomes the app's descriptors 0, 1 and 2.
pub(super) enum AppStdio {
    Terminal(OwnedFd),
    Streams { stdin: OwnedFd, stdout: OwnedFd, stderr: OwnedFd },
}

/// Where programs are looked for if the environment does not say.
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// A shell's codes for a command that can't be run.
const NOT_EXECUTABLE: i32 = 126;
const NOT_FOUND: i32 = 127;

/// Becomes the app. If that fails, the reason is the last line on the app's
/// stderr, and the code is a shell's.
pub(super) fn run(plan: &Plan, stdio: AppStdio) -> ! {
    let failure = match take_stdio(&stdio) {
        Ok(()) => become_app(plan),
        Err(error) => Failure { text: format!("stdio: {error}"), code: NOT_EXECUTABLE },
    };
    // Where stderr can't be written to, the code must do.
    let _ = writeln!(std::io::stderr(), "{}", failure.text);
    // At once: the owners of closed descriptors must not run again.
    sys::process::exit_now(failure.code)
}

struct Failure {
    text: String,
    code: i32,
}

fn take_stdio(stdio: &AppStdio) -> std::io::Result<()> {
    setsid()?;
    let [stdin, stdout, stderr]: [BorrowedFd<'_>; 3] = match stdio {
        AppStdio::Terminal(slave) => {
            sys::terminal::control(slave.as_fd())?;
            [slave.as_fd(); 3]
        }
        AppStdio::Streams { stdin, stdout, stderr } => [stdin.as_fd(), stdout.as_fd(), stderr.as_fd()],
    };
    sys::process::become_descriptor(stdin, 0)?;
    sys::process::become_descriptor(stdout, 1)?;
    sys::process::become_descriptor(stderr, 2)
}

fn become_app(plan: &Plan) -> Failure {
    let failed = |what: &str, errno: Errno| Failure { text: format!("{what}: {}", errno.desc()), code: NOT_EXECUTABLE };
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o022));
    if let Err(errno) = chdir(&plan.cwd) {
        return failed(&plan.cwd.display().to_string(), errno);
    }
    if let Err(errno) = reset_signals() {
        return failed("signals", errno);
    }
    if let Err(error) = sys::process::close_all_but(&[0, 1, 2]) {
        return Failure { text: format!("descriptors: {error}"), code: NOT_EXECUTABLE };
    }
    let (Some(program), Ok(arguments), Ok(environment)) =
        (plan.command.first(), c_strings(plan.command.iter().cloned()), c_strings(pairs(plan)))
    else {
        return Failure { text: "the command is empty, or holds a NUL byte".to_owned(), code: NOT_EXECUTABLE };
    };
    let errno = search(plan, program, &arguments, &environment);
    match errno {
        Errno::ENOENT => Failure { text: format!("{program}: command not found"), code: NOT_FOUND },
        errno => failed(program, errno),
    }
}

/// Rust ignores SIGPIPE and pid 1 blocks all: an app starts with neither.
fn reset_signals() -> nix::Result<()> {
    #[expect(unsafe_code, reason = "signal handlers are set without a check of what they call")]
    // SAFETY: the default action runs no code of ours.
    unsafe {
        signal(Signal::SIGPIPE, SigHandler::SigDfl)?
    };
    SigSet::empty().thread_set_mask()
}

/// Tries the program in each directory of the dyno's `PATH`; the error is of
/// the last that was more than absent.
fn search(plan: &Plan, program: &str, arguments: &[CString], environment: &[CString]) -> Errno {
    let attempt = |path: &Path| match c_strings([path.display().to_string()]).as_deref() {
        Ok([path]) => match execve(path, arguments, environment) {
            Ok(never) => match never {},
            Err(errno) => errno,
        },
        _ => Errno::EINVAL,
    };
    if program.contains('/') {
        return attempt(Path::new(program));
    }
    let path = plan.env.iter().rev().find(|(name, _)| name == "PATH").map_or(DEFAULT_PATH, |(_, value)| value);
    let mut worst = Errno::ENOENT;
    for dir in path.split(':').filter(|dir| !dir.is_empty()) {
        match attempt(&Path::new(dir).join(program)) {
            Errno::ENOENT | Errno::ENOTDIR => {}
            errno => worst = errno,
        }
    }
    worst
}

fn pairs(plan: &Plan) -> impl Iterator<Item = String> {
    plan.env.iter().map(|(name, value)| format!("{name}={value}"))
}

fn c_strings(texts: impl IntoIterator<Item = String>) -> Result<Vec<CString>, NulError> {
    texts.into_iter().map(CString::new).collect()
}
