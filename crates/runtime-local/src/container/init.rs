//! Pid 1 of a dyno: starts the app, reaps, passes signals on, and reports.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::Pid;

use super::SetupError;
use super::exec::{self, AppStdio};
use crate::sys;
use crate::wire::{Plan, Status};

/// What pid 1 tells the keeper, one packet each.
#[derive(Debug)]
pub(crate) enum StatusMessage {
    /// The master of the dyno's terminal.
    Terminal(OwnedFd),
    /// The app's process exists.
    Ready,
    /// Nothing has run, nothing will.
    Failed(SetupError),
    /// The app's process ended; pid 1 and what is left of the dyno follow.
    Ended(Status),
}

const MOST_TEXT_BYTES: usize = 1000;

impl StatusMessage {
    pub(super) fn send(self, socket: BorrowedFd<'_>) -> io::Result<()> {
        let mut body = Vec::new();
        let mut descriptor = None;
        match self {
            Self::Terminal(master) => {
                body.push(b't');
                descriptor = Some(master);
            }
            Self::Ready => body.push(b'r'),
            Self::Failed(error) => {
                body.push(b'f');
                body.extend_from_slice(&error.source.raw_os_error().unwrap_or(0).to_be_bytes());
                body.extend_from_slice(error.what.as_bytes());
                if error.source.raw_os_error().is_none() {
                    body.extend_from_slice(format!(": {}", error.source).as_bytes());
                }
                body.truncate(MOST_TEXT_BYTES);
            }
            Self::Ended(status) => {
                let (kind, number) = match status {
                    Status::Code(code) => (b'c', code),
                    Status::Signal(signal) => (b's', signal),
                    Status::Unknown => (b'u', 0),
                };
                body.push(kind);
                body.extend_from_slice(&number.to_be_bytes());
            }
        }
        let descriptors: Vec<_> = descriptor.iter().map(AsRawFd::as_raw_fd).collect();
        sys::socket::send(socket, &body, &descriptors).map(|_| ())
    }

    /// The next message, `None` at the end. Without one at hand: `WouldBlock`.
    pub(crate) fn receive(socket: BorrowedFd<'_>) -> io::Result<Option<Self>> {
        let mut buffer = [0; MOST_TEXT_BYTES];
        let (length, mut descriptors) = sys::socket::receive(socket, &mut buffer)?;
        let Some((kind, rest)) = buffer[..length].split_first() else { return Ok(None) };
        let number = rest.first_chunk::<4>().map_or(0, |bytes| i32::from_be_bytes(*bytes));
        Ok(Some(match (kind, descriptors.pop()) {
            (b't', Some(master)) => Self::Terminal(master),
            (b'r', _) => Self::Ready,
            (b'f', _) => Self::Failed(SetupError {
                what: String::from_utf8_lossy(rest.get(4..).unwrap_or_default()).into_owned(),
                source: if number == 0 { io::ErrorKind::Other.into() } else { io::Error::from_raw_os_error(number) },
            }),
            (b'c', _) => Self::Ended(Status::Code(number)),
            (b's', _) => Self::Ended(Status::Signal(number)),
            _ => Self::Ended(Status::Unknown),
        }))
    }
}

/// Starts the app and stays until it has ended. Returns pid 1's own code.
pub(super) fn run(plan: &Plan, status: OwnedFd, stdio: AppStdio) -> i32 {
    let app = match sys::process::fork() {
        Ok(None) => exec::run(plan, stdio),
        Ok(Some(app)) => app,
        Err(error) => {
            let failed = SetupError { what: "fork the app".to_owned(), source: error };
            let _ = StatusMessage::Failed(failed).send(status.as_fd());
            return 1;
        }
    };
    drop(stdio);
    let prepared =
        sys::process::close_all_but(&[status.as_raw_fd()]).and_then(|()| StatusMessage::Ready.send(status.as_fd()));
    if prepared.is_err() {
        // The keeper is gone, and with it all who could use this dyno.
        return 1;
    }
    let ended = watch(app);
    let _ = StatusMessage::Ended(ended).send(status.as_fd());
    match ended {
        Status::Code(code) => code,
        Status::Signal(signal) => 128 + signal,
        Status::Unknown => 255,
    }
}

/// Reaps whatever ends and passes signals on, until the app's process ends.
/// When pid 1 then leaves, the kernel kills what is left.
fn watch(app: Pid) -> Status {
    let everyone = Pid::from_raw(-1);
    // All others stay blocked, and so without effect on pid 1.
    let awaited: SigSet = [Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGHUP].into_iter().collect();
    loop {
        match awaited.wait() {
            Ok(Signal::SIGCHLD) => {
                if let Some(status) = reap(app) {
                    return status;
                }
            }
            // No one left to tell is no fault.
            Ok(signal) => drop(kill(everyone, signal)),
            Err(Errno::EINTR) => {}
            Err(_) => return Status::Unknown,
        }
    }
}

/// Takes in all that have ended; the app's status, if it is among them.
fn reap(app: Pid) -> Option<Status> {
    let mut ended = None;
    while let Ok(Some((pid, status))) = sys::process::reap(None) {
        if pid == app {
            ended = Some(status);
        }
    }
    ended
}
