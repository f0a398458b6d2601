//! An image as a mount.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::statfs::statfs;

use crate::sys::loops::LoopDevice;
use crate::sys::mounts::{DetachedMount, RDONLY};
use crate::sys::process::user_namespace;

/// Mounts a squashfs file unless one is mounted there.
pub(super) fn ensure(file: &File, place: &Path) -> io::Result<()> {
    const SQUASHFS_MAGIC: i64 = 0x7371_7368;
    match fs::create_dir(place) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    if statfs(place)?.filesystem_type().0 as i64 == SQUASHFS_MAGIC {
        return Ok(());
    }
    let device = LoopDevice::attach(file, true, false)?;
    let flags = MsFlags::MS_RDONLY | MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(Some(&device.path), place, Some("squashfs"), flags, None::<&str>)?;
    Ok(())
}

/// Unmounts whatever is there, and removes the empty directory.
pub(crate) fn unmount(place: &Path) -> io::Result<()> {
    loop {
        match umount2(place, MntFlags::MNT_DETACH) {
            Ok(()) => {}
            Err(nix::errno::Errno::EINVAL | nix::errno::Errno::ENOENT) => break,
            Err(errno) => return Err(errno.into()),
        }
    }
    match fs::remove_dir(place) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Whether the kernel shows the files of this mount to a user namespace as
/// each dyno has one: it depends on the kind of file system.
pub(super) fn can_map_users(place: &Path) -> io::Result<bool> {
    const SOME_UNUSED_ID: u32 = 1 << 31;
    let userns = user_namespace(SOME_UNUSED_ID)?;
    match DetachedMount::clone_of(place)?.set(RDONLY, Some(userns.as_fd())) {
        Ok(()) => Ok(true),
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_can_not_map_is_told_from_what_it_can() {
        if !nix::unistd::geteuid().is_root() {
            eprintln!("skipped: user namespaces with a map need root");
            return;
        }
        assert!(!can_map_users(Path::new("/proc")).unwrap());
        assert!(can_map_users(&std::env::temp_dir()).unwrap());
        assert!(can_map_users(Path::new("/no/such/place")).is_err());
    }
}
