//! Mounts that are handled by descriptor: cloned, changed, then attached.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::path::Path;

use super::{c_path, check};

pub(crate) const RDONLY: u64 = 0x1;
pub(crate) const NOSUID: u64 = 0x2;
pub(crate) const NODEV: u64 = 0x4;
const IDMAP: u64 = 0x0010_0000;

const OPEN_TREE_CLONE: libc::c_uint = 1;
const OPEN_TREE_CLOEXEC: libc::c_uint = libc::O_CLOEXEC as libc::c_uint;
const MOVE_MOUNT_F_EMPTY_PATH: libc::c_uint = 4;

/// `struct mount_attr` of `mount_setattr(2)`.
#[repr(C)]
struct MountAttr {
    set: u64,
    clear: u64,
    propagation: u64,
    userns: u64,
}

/// A mount that is attached nowhere: it goes away with this value, unless
/// [`DetachedMount::attach`] gives it a place.
pub(crate) struct DetachedMount(OwnedFd);

impl DetachedMount {
    /// A bind mount of `path` (a directory or a file) alone, without what is
    /// mounted below it.
    #[expect(unsafe_code, reason = "open_tree(2) has no wrapper")]
    pub(crate) fn clone_of(path: &Path) -> io::Result<Self> {
        let path = c_path(path)?;
        // SAFETY: the path is a valid C string; the call returns a new descriptor that nobody else owns.
        unsafe {
            let fd = check(libc::syscall(
                libc::SYS_open_tree,
                libc::AT_FDCWD,
                path.as_ptr(),
                OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC,
            ))?;
            Ok(Self(OwnedFd::from_raw_fd(fd as i32)))
        }
    }

    /// Sets attributes (`RDONLY`, `NOSUID`, …) and, if `userns` is given, shows
    /// files of user n on disk as those of user n inside that namespace.
    pub(crate) fn set(&self, attributes: u64, userns: Option<BorrowedFd<'_>>) -> io::Result<()> {
        let idmap = if userns.is_some() { IDMAP } else { 0 };
        let attr = MountAttr {
            set: attributes | idmap,
            clear: 0,
            propagation: 0,
            userns: userns.map_or(0, |fd| fd.as_raw_fd() as u64),
        };
        set_attributes(self.0.as_fd(), Path::new(""), &attr)
    }

    /// Whether a directory is mounted, and not a file.
    pub(crate) fn is_dir(&self) -> io::Result<bool> {
        Ok(nix::sys::stat::fstat(&self.0)?.st_mode & libc::S_IFMT == libc::S_IFDIR)
    }

    /// Mounts it at `target`, which must exist.
    #[expect(unsafe_code, reason = "move_mount(2) has no wrapper")]
    pub(crate) fn attach(self, target: &Path) -> io::Result<()> {
        let target = c_path(target)?;
        // SAFETY: both paths are valid C strings and the descriptor is open.
        unsafe {
            check(libc::syscall(
                libc::SYS_move_mount,
                self.0.as_raw_fd(),
                c"".as_ptr(),
                libc::AT_FDCWD,
                target.as_ptr(),
                MOVE_MOUNT_F_EMPTY_PATH,
            ))?;
        }
        Ok(())
    }
}

/// Makes the mount at `path` read-only; what is open for writing stays so.
pub(crate) fn make_read_only(path: &Path) -> io::Result<()> {
    let attr = MountAttr { set: RDONLY, clear: 0, propagation: 0, userns: 0 };
    let here = nix::fcntl::AT_FDCWD;
    set_attributes(here.as_fd(), path, &attr)
}

#[expect(unsafe_code, reason = "mount_setattr(2) has no wrapper")]
fn set_attributes(dir: BorrowedFd<'_>, path: &Path, attr: &MountAttr) -> io::Result<()> {
    let empty = if path.as_os_str().is_empty() { libc::AT_EMPTY_PATH } else { 0 };
    let path = c_path(path)?;
    // SAFETY: `attr` is a whole `struct mount_attr` of the size given, alive during the call.
    unsafe {
        check(libc::syscall(
            libc::SYS_mount_setattr,
            dir.as_raw_fd(),
            path.as_ptr(),
            empty,
            std::ptr::from_ref(attr),
            size_of::<MountAttr>(),
        ))?;
    }
    Ok(())
}
