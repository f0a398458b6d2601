//! How the keeper makes a dyno's first process.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use nix::unistd::pipe2;

use super::connection::Connection;
use super::dyno::Process;
use crate::container::{self, Handles};
use crate::seccomp::Filters;
use crate::sys::process::{Cloned, clone};
use crate::wire::{Plan, PlanStdio};

/// The descriptors that came with a request to start.
pub(super) struct Received {
    pub(super) netns: OwnedFd,
    stdin: Option<OwnedFd>,
    output: Option<OwnedFd>,
    lifeline: Option<OwnedFd>,
}

impl Received {
    pub(super) fn take(connection: &mut Connection, stdio: PlanStdio) -> io::Result<Self> {
        let mut received = Self { netns: connection.descriptor()?, stdin: None, output: None, lifeline: None };
        match stdio {
            PlanStdio::Logged => {}
            PlanStdio::Pipes => {
                received.stdin = Some(connection.descriptor()?);
                received.output = Some(connection.descriptor()?);
                received.lifeline = Some(connection.descriptor()?);
            }
            PlanStdio::Terminal { .. } => received.lifeline = Some(connection.descriptor()?),
        }
        Ok(received)
    }
}

/// Clones; the child goes on in [`container::enter`].
pub(super) fn spawn(plan: &Plan, received: Received, userns: OwnedFd, filters: &Filters) -> io::Result<Process> {
    let (status, childs_status) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?;
    never_wait(&status)?;
    let mut handles =
        Handles { status: childs_status, netns: received.netns, userns, stdin: received.stdin, output: None };
    let mut ours = None;
    match (plan.stdio, received.output) {
        (PlanStdio::Logged, _) => {
            let (stdout, childs_stdout) = pipe2(OFlag::O_CLOEXEC)?;
            let (stderr, childs_stderr) = pipe2(OFlag::O_CLOEXEC)?;
            never_wait(&stdout)?;
            never_wait(&stderr)?;
            handles.output = Some((childs_stdout, childs_stderr));
            ours = Some((File::from(stdout), File::from(stderr)));
        }
        // One open file for both, so that what is written stays in order.
        (PlanStdio::Pipes, Some(output)) => handles.output = Some((output.try_clone()?, output)),
        (PlanStdio::Pipes, None) => return Err(io::ErrorKind::InvalidInput.into()),
        (PlanStdio::Terminal { .. }, _) => {}
    }
    let cgroup = plan.cgroup.unified.as_ref().map(File::open).transpose()?;
    match clone(container::CLONE_FLAGS, cgroup.as_ref().map(AsFd::as_fd))? {
        Cloned::Child => container::enter(plan, handles, filters),
        Cloned::Parent { pid, pidfd } => Ok(Process::new(pid, pidfd, status, ours, received.lifeline)),
    }
}

fn never_wait(fd: &impl AsFd) -> io::Result<()> {
    fcntl(fd, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Ok(())
}
