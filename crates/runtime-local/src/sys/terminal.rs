//! Pseudo-terminals of a dyno's own devpts.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use super::check;

/// The other end of a terminal whose master is open: it is unlocked, given its
/// size, and opened without a path that could lead elsewhere.
#[expect(unsafe_code, reason = "the ioctls of terminals have no wrapper")]
pub(crate) fn open_slave(master: &File, columns: u16, rows: u16) -> io::Result<OwnedFd> {
    let unlocked: libc::c_int = 0;
    let size = libc::winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    let fd = master.as_raw_fd();
    // SAFETY: each argument is of the type that its ioctl reads; the descriptor that comes out is new and ours.
    unsafe {
        check(libc::ioctl(fd, libc::TIOCSPTLCK, std::ptr::from_ref(&unlocked)) as libc::c_long)?;
        check(libc::ioctl(fd, libc::TIOCSWINSZ, std::ptr::from_ref(&size)) as libc::c_long)?;
        let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
        let slave = check(libc::ioctl(fd, libc::TIOCGPTPEER, flags) as libc::c_long)?;
        Ok(OwnedFd::from_raw_fd(slave as i32))
    }
}

/// Makes the terminal the controlling one of this session's leader.
#[expect(unsafe_code, reason = "the ioctls of terminals have no wrapper")]
pub(crate) fn control(terminal: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: takes a number.
    unsafe { check(libc::ioctl(terminal.as_raw_fd(), libc::TIOCSCTTY, 0) as libc::c_long)? };
    Ok(())
}
