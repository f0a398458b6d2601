//! The system calls that std and nix lack, each wrapped once.
//!
//! This is the only module with `unsafe` in it. Wrappers own what they return
//! and borrow what they are given, so callers can't leak or reuse a descriptor.

pub(crate) mod loops;
pub(crate) mod mounts;
pub(crate) mod process;
pub(crate) mod socket;
pub(crate) mod terminal;

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use tokio::io::unix::AsyncFd;

/// The result of a raw system call: -1 is an error in `errno`.
fn check(result: libc::c_long) -> io::Result<libc::c_long> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// A path as the kernel wants it; a NUL inside is an invalid argument.
fn c_path(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| io::ErrorKind::InvalidInput.into())
}

/// A pipe or terminal whose reads and writes can be awaited.
pub(crate) fn awaitable(fd: OwnedFd) -> io::Result<AsyncFd<File>> {
    fcntl(&fd, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    #[expect(unsafe_code, reason = "registering wants a promise about the descriptor")]
    // SAFETY: the file owns its descriptor, keeps it for as long as it lives, and is never replaced by another.
    Ok(unsafe { AsyncFd::register(File::from(fd)) }?)
}
