//! One dyno as the keeper has it.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::time::Instant;

use jiff::Timestamp;
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use runtime::Stream;

use super::output::Queue;
use crate::cgroup;
use crate::container::StatusMessage;
use crate::sys;
use crate::wire::{Ended, Known, Record, Status};

pub(super) struct Dyno {
    pub(super) record: Record,
    /// `None` for one that an earlier keeper had.
    pub(super) process: Option<Process>,
    pub(super) exit: Option<Ended>,
    /// Told on this connection.
    pub(super) exit_sent: bool,
    pub(super) queue: Queue,
    pub(super) netns: Option<OwnedFd>,
    /// Who waits for the start: connection and request.
    pub(super) starting: Option<(u64, u64)>,
    /// Who waits until it is gone and forgotten.
    pub(super) forgetting: Vec<(u64, u64)>,
    /// The app's process exists (or existed).
    pub(super) ready: bool,
    pub(super) terminal: Option<OwnedFd>,
    pub(super) deadline: Option<(Instant, Deadline)>,
    record_file: PathBuf,
}

/// What happens to a dyno that is still there then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deadline {
    Terminate,
    Kill,
}

pub(super) struct Process {
    pub(super) pid: Pid,
    pub(super) pidfd: OwnedFd,
    pub(super) status: OwnedFd,
    pub(super) stdout: Option<File>,
    pub(super) stderr: Option<File>,
    pub(super) lifeline: Option<OwnedFd>,
    reported: Option<Status>,
    pub(super) failed: Option<(String, Option<i32>)>,
}

impl Process {
    pub(super) fn new(
        pid: Pid,
        pidfd: OwnedFd,
        status: OwnedFd,
        output: Option<(File, File)>,
        lifeline: Option<OwnedFd>,
    ) -> Self {
        let (stdout, stderr) = output.unzip();
        Self { pid, pidfd, status, stdout, stderr, lifeline, reported: None, failed: None }
    }
}

impl Dyno {
    pub(super) fn new(record: Record, record_file: PathBuf, netns: OwnedFd) -> Self {
        Self { netns: Some(netns), ..Self::orphan(record, record_file, None) }
    }

    /// A dyno of an earlier keeper: it ended with that one, and how is unknown.
    pub(super) fn orphan(record: Record, record_file: PathBuf, exit: Option<Ended>) -> Self {
        Self {
            record,
            process: None,
            exit,
            exit_sent: false,
            queue: Queue::default(),
            netns: None,
            starting: None,
            forgetting: Vec::new(),
            ready: false,
            terminal: None,
            deadline: None,
            record_file,
        }
    }

    /// Whether there is something to tell the server.
    pub(super) fn has_more(&self) -> bool {
        self.queue.has_more() || (self.exit.is_some() && !self.exit_sent)
    }

    pub(super) fn known(&self) -> Known {
        let pid = self.process.as_ref().map_or(0, |process| process.pid.as_raw());
        Known { record: self.record.clone(), pid, exit: self.exit }
    }

    /// Leaves a note for the keeper after this one.
    pub(super) fn write_record(&self) -> io::Result<()> {
        std::fs::write(&self.record_file, serde_json::to_vec(&self.record)?)
    }

    pub(super) fn remove_record(&self) -> io::Result<()> {
        match std::fs::remove_file(&self.record_file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    /// A signal to pid 1, which passes SIGTERM and SIGHUP on to all. One that
    /// has ended needs none.
    pub(super) fn signal(&self, signal: Signal) {
        if let Some(process) = &self.process
            && let Err(error) = sys::process::pidfd_signal(process.pidfd.as_fd(), signal)
            && error.raw_os_error() != Some(libc::ESRCH)
        {
            eprintln!("dyno {}: could not send {signal}: {error}", self.record.id);
        }
    }

    /// Reads what pid 1 has reported; `false` once it has nothing more to say.
    pub(super) fn read_status(&mut self) -> bool {
        let Some(process) = &mut self.process else { return false };
        loop {
            match StatusMessage::receive(process.status.as_fd()) {
                Ok(Some(StatusMessage::Terminal(master))) => self.terminal = Some(master),
                Ok(Some(StatusMessage::Ready)) => self.ready = true,
                Ok(Some(StatusMessage::Failed(error))) => {
                    process.failed = Some((error.what, error.source.raw_os_error()));
                }
                Ok(Some(StatusMessage::Ended(status))) => process.reported = Some(status),
                Ok(None) => return false,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
                Err(_) => return false,
            }
        }
    }

    /// Takes in at most one buffer full of output; `false` at its end.
    pub(super) fn read_output(&mut self, stream: Stream, buffer: &mut [u8]) -> bool {
        let Some(process) = &mut self.process else { return false };
        let slot = match stream {
            Stream::Stdout => &mut process.stdout,
            Stream::Stderr => &mut process.stderr,
        };
        let Some(pipe) = slot else { return false };
        match pipe.read(buffer) {
            Ok(0) => {}
            Ok(length) => {
                self.queue.push(stream, Timestamp::now(), &buffer[..length]);
                return true;
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                return true;
            }
            Err(error) => eprintln!("dyno {}: could not read its output: {error}", self.record.id),
        }
        *slot = None;
        false
    }

    /// All its processes are gone: takes in what they left, and how they ended.
    pub(super) fn reap(&mut self, buffer: &mut [u8]) -> io::Result<bool> {
        let Some(process) = &self.process else { return Ok(false) };
        let Some((_, of_init)) = sys::process::reap(Some(process.pid))? else { return Ok(false) };
        self.read_status();
        for stream in [Stream::Stdout, Stream::Stderr] {
            self.drain(stream, buffer);
        }
        let Some(process) = &self.process else { return Ok(false) };
        let status = match (process.reported, of_init) {
            (Some(status), _) => status,
            (None, of_init) => of_init,
        };
        let out_of_memory = cgroup::oom_kills(&self.record.oom).unwrap_or_else(|error| {
            eprintln!("dyno {}: {error}", self.record.id);
            0
        }) > 0;
        self.exit = Some(Ended { at: Timestamp::now(), status, out_of_memory });
        Ok(true)
    }

    /// Nobody holds the writing end any more, so this ends.
    fn drain(&mut self, stream: Stream, buffer: &mut [u8]) {
        loop {
            let Some(process) = &mut self.process else { return };
            let slot = match stream {
                Stream::Stdout => &mut process.stdout,
                Stream::Stderr => &mut process.stderr,
            };
            let Some(pipe) = slot else { return };
            match pipe.read(buffer) {
                Ok(length) if length > 0 => self.queue.push(stream, Timestamp::now(), &buffer[..length]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                _ => {
                    *slot = None;
                    return;
                }
            }
        }
    }
}
