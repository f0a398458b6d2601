//! Making processes, and taking from them what they must not have.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::sys::wait::waitpid;
use nix::unistd::{Pid, pipe2};

use super::check;
use crate::wire::Status;

pub(crate) enum Cloned {
    Child,
    Parent { pid: Pid, pidfd: OwnedFd },
}

/// `clone3(2)` as a fork into new namespaces (`flags`) and, if given, into a
/// cgroup of the v2 hierarchy.
///
/// Only for a process with one thread: the child goes on with a copy of all
/// its memory, and locks held by other threads would stay locked for ever. A
/// child that makes nothing but system calls takes none.
#[expect(unsafe_code, reason = "clone3(2) has no wrapper")]
pub(crate) fn clone(flags: u64, cgroup: Option<BorrowedFd<'_>>) -> io::Result<Cloned> {
    const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
    let mut pidfd: RawFd = -1;
    let mut args = libc::clone_args {
        flags: flags | libc::CLONE_PIDFD as u64,
        pidfd: std::ptr::from_mut(&mut pidfd) as u64,
        child_tid: 0,
        parent_tid: 0,
        exit_signal: libc::SIGCHLD as u64,
        stack: 0,
        stack_size: 0,
        tls: 0,
        set_tid: 0,
        set_tid_size: 0,
        cgroup: 0,
    };
    if let Some(cgroup) = cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = cgroup.as_raw_fd() as u64;
    }
    // SAFETY: `args` is whole and alive; without CLONE_VM and with no stack of its own the child behaves as after
    // fork(2). The callers have one thread (see above). The descriptor is new and ours.
    unsafe {
        let size = size_of::<libc::clone_args>();
        let pid = check(libc::syscall(libc::SYS_clone3, std::ptr::from_mut(&mut args), size))?;
        if pid == 0 {
            return Ok(Cloned::Child);
        }
        Ok(Cloned::Parent { pid: Pid::from_raw(pid as i32), pidfd: OwnedFd::from_raw_fd(pidfd) })
    }
}

/// A user namespace whose ids 0 to 65,535 are the host's from `first_id` on.
/// A process with many threads may make one too.
pub(crate) fn user_namespace(first_id: u32) -> io::Result<OwnedFd> {
    let (wait, go) = pipe2(OFlag::O_CLOEXEC)?;
    let pid = match clone(libc::CLONE_NEWUSER as u64, None)? {
        Cloned::Child => {
            drop(go);
            // Lives until the other end is closed, which also a dying parent does.
            while let Err(Errno::EINTR) = nix::unistd::read(&wait, &mut [0]) {}
            exit_now(0);
        }
        Cloned::Parent { pid, .. } => pid,
    };
    let map = format!("0 {first_id} 65536");
    let made = fs::write(format!("/proc/{pid}/uid_map"), &map)
        .and_then(|()| fs::write(format!("/proc/{pid}/gid_map"), &map))
        .and_then(|()| File::open(format!("/proc/{pid}/ns/user")));
    drop(go);
    waitpid(pid, None)?;
    Ok(made?.into())
}

/// Has a program killed once the thread that started it is gone, as it is
/// after a crash.
#[expect(unsafe_code, reason = "code between fork and exec needs a promise")]
pub(crate) fn die_with_parent(command: &mut Command) {
    // SAFETY: the closure is one system call: it takes no lock and no memory.
    unsafe { command.pre_exec(|| Ok(prctl::set_pdeathsig(Signal::SIGKILL)?)) };
}

/// `fork(2)`; `None` in the child. The same condition as for [`clone`].
#[expect(unsafe_code, reason = "a fork is safe with one thread only")]
pub(crate) fn fork() -> io::Result<Option<Pid>> {
    // SAFETY: callers have one thread, so the child may do all that its parent may.
    match unsafe { nix::unistd::fork() }? {
        nix::unistd::ForkResult::Parent { child } => Ok(Some(child)),
        nix::unistd::ForkResult::Child => Ok(None),
    }
}

/// Ends this process now, without running anything on the way out.
#[expect(unsafe_code, reason = "_exit(2) has no wrapper")]
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: has no precondition.
    unsafe { libc::_exit(code) }
}

/// Reaps one child that has ended, this one or any; `None` if none has.
/// (nix's own call fails for one killed by a real-time signal.)
#[expect(unsafe_code, reason = "waitpid(2) with all signals has no wrapper")]
pub(crate) fn reap(child: Option<Pid>) -> io::Result<Option<(Pid, Status)>> {
    let mut status = 0;
    // SAFETY: `status` is alive during the call.
    let pid = unsafe { check(libc::waitpid(child.map_or(-1, Pid::as_raw), &raw mut status, libc::WNOHANG).into())? };
    let status = if libc::WIFSIGNALED(status) {
        Status::Signal(libc::WTERMSIG(status))
    } else {
        Status::Code(libc::WEXITSTATUS(status))
    };
    Ok((pid > 0).then_some((Pid::from_raw(pid as i32), status)))
}

/// Sends a signal; to a process that has ended, an `ESRCH` error.
#[expect(unsafe_code, reason = "pidfd_send_signal(2) has no wrapper")]
pub(crate) fn pidfd_signal(pidfd: BorrowedFd<'_>, signal: Signal) -> io::Result<()> {
    let info = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: the descriptor is open and a null `info` is allowed.
    unsafe { check(libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal as i32, info, 0))? };
    Ok(())
}

/// Closes every descriptor except these.
#[expect(unsafe_code, reason = "closes descriptors that it does not own")]
pub(crate) fn close_all_but(keep: &[RawFd]) -> io::Result<()> {
    let mut keep: Vec<u32> = keep.iter().map(|fd| *fd as u32).collect();
    keep.sort_unstable();
    keep.dedup();
    let mut first = 0;
    for fd in keep.into_iter().chain([u32::MAX]) {
        if first < fd {
            let last = if fd == u32::MAX { u32::MAX } else { fd - 1 };
            // SAFETY: only processes about to exec or to do nothing but wait call this: no owner of the closed ones
            // runs again (they leave by exec or `exit_now`).
            unsafe { check(libc::syscall(libc::SYS_close_range, first, last, 0))? };
        }
        first = fd.saturating_add(1);
    }
    Ok(())
}

/// Makes `fd` the descriptor `number`, inherited over exec.
#[expect(unsafe_code, reason = "replaces a descriptor by number")]
pub(crate) fn become_descriptor(fd: BorrowedFd<'_>, number: RawFd) -> io::Result<()> {
    // SAFETY: called with 0, 1 and 2 in a process about to exec, where nobody owns these numbers; dup2 onto itself
    // would leave close-on-exec set, which callers avoid by keeping their descriptors above 2.
    unsafe { check(libc::dup2(fd.as_raw_fd(), number) as libc::c_long)? };
    Ok(())
}

/// Takes every capability out of the bounding set: no exec can regain one.
#[expect(unsafe_code, reason = "prctl(2) for capabilities has no wrapper")]
pub(crate) fn drop_bounding_set() -> io::Result<()> {
    for capability in 0..64 {
        // SAFETY: plain numbers.
        let result = unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) };
        if result < 0 {
            let error = io::Error::last_os_error();
            // The first number that the kernel does not know ends the list.
            return if error.raw_os_error() == Some(libc::EINVAL) { Ok(()) } else { Err(error) };
        }
    }
    Ok(())
}

/// Empties the permitted, effective, inheritable and ambient sets.
#[expect(unsafe_code, reason = "capset(2) has no wrapper")]
pub(crate) fn drop_capabilities() -> io::Result<()> {
    #[repr(C)]
    struct Header {
        version: u32,
        pid: i32,
    }
    const VERSION_3: u32 = 0x2008_0522;
    let header = Header { version: VERSION_3, pid: 0 };
    let sets = [0_u32; 6];
    // SAFETY: the header is whole, and version 3 reads two structs of three words each.
    unsafe {
        check(libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) as libc::c_long)?;
        check(libc::syscall(libc::SYS_capset, std::ptr::from_ref(&header), sets.as_ptr()))?;
    }
    Ok(())
}

/// Leaves the session keyring of the parent for an empty one. A kernel
/// without keyrings has nothing to leave.
#[expect(unsafe_code, reason = "keyctl(2) has no wrapper")]
pub(crate) fn leave_session_keyring() -> io::Result<()> {
    const KEYCTL_JOIN_SESSION_KEYRING: libc::c_int = 1;
    let anonymous = std::ptr::null::<libc::c_char>();
    // SAFETY: a null name asks for an anonymous keyring.
    match unsafe { check(libc::syscall(libc::SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, anonymous)) } {
        Err(error) if error.raw_os_error() != Some(libc::ENOSYS) => Err(error),
        _ => Ok(()),
    }
}
