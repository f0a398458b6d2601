//! `/proc` and `/dev` of a dyno.

use std::io;
use std::os::unix::fs::{chown, symlink};
use std::path::Path;

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};

use super::root::make_dir;
use super::{SetupError, Step};
use crate::sys::mounts::{DetachedMount, NODEV, NOSUID, RDONLY, make_read_only};

/// The group that terminals belong to, as on every Debian.
pub(super) const TTY_GROUP: u32 = 5;

/// As in the OCI runtime specification's defaults.
const MASKED: [&str; 12] = [
    "acpi",
    "asound",
    "interrupts",
    "kallsyms",
    "kcore",
    "keys",
    "latency_stats",
    "sched_debug",
    "scsi",
    "timer_list",
    "timer_stats",
    "kmsg",
];
const READ_ONLY: [&str; 5] = ["bus", "fs", "irq", "sys", "sysrq-trigger"];

/// A procfs of the dyno's pid namespace with the kernel's own matters masked.
/// `empty` is an empty directory to put over directories.
pub(super) fn proc_at(at: &Path, empty: &Path) -> Result<(), SetupError> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), at, Some("proc"), flags, None::<&str>).step("mount /proc")?;
    for name in READ_ONLY {
        cover(&at.join(name), &at.join(name))?;
    }
    for name in MASKED {
        let masked = at.join(name);
        let by = if masked.is_dir() { empty } else { Path::new("/dev/null") };
        cover(&masked, by)?;
    }
    Ok(())
}

/// Mounts a read-only clone of `by` over `path`, if that exists.
fn cover(path: &Path, by: &Path) -> Result<(), SetupError> {
    if !path.try_exists().unwrap_or(true) {
        return Ok(());
    }
    let covered = DetachedMount::clone_of(by).and_then(|cover| {
        // The mask of a file is a device that must stay one.
        let device = if by == Path::new("/dev/null") { 0 } else { NODEV };
        cover.set(RDONLY | NOSUID | device, None)?;
        cover.attach(path)
    });
    covered.map_err(|source| SetupError { what: format!("mask `{}`", path.display()), source })
}

/// A `/dev` with what every program may expect and nothing else.
pub(super) fn dev_at(at: &Path, first_id: u32, shm_bytes: u64) -> Result<(), SetupError> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    let options = format!("mode=0755,size=64k,uid={first_id},gid={first_id}");
    mount(Some("tmpfs"), at, Some("tmpfs"), flags, Some(options.as_str())).step("mount /dev")?;
    for (name, major, minor) in
        [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)]
    {
        let node = at.join(name);
        mknod(&node, SFlag::S_IFCHR, Mode::from_bits_truncate(0o666), makedev(major, minor))
            .map_err(io::Error::from)
            .and_then(|()| chown(&node, Some(first_id), Some(first_id)))
            .map_err(|source| SetupError { what: format!("make the device `{name}`"), source })?;
    }
    for (name, target) in [
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
        ("ptmx", "pts/ptmx"),
    ] {
        symlink(target, at.join(name)).step("link in /dev")?;
    }
    make_dir(&at.join("pts"), 0o755, first_id)?;
    make_dir(&at.join("shm"), 0o1777, first_id)?;

    devpts_at(&at.join("pts"), first_id + TTY_GROUP).step("mount /dev/pts")?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    let options = format!("mode=1777,size={shm_bytes},uid={first_id},gid={first_id}");
    mount(Some("tmpfs"), &at.join("shm"), Some("tmpfs"), flags, Some(options.as_str())).step("mount /dev/shm")?;
    make_read_only(at).step("make /dev read-only")
}

fn devpts_at(at: &Path, group: u32) -> nix::Result<()> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    let mount_with = |options: &str| mount(Some("devpts"), at, Some("devpts"), flags, Some(options));
    let options = "newinstance,ptmxmode=0666,mode=0620";
    match mount_with(&format!("{options},gid={group}")) {
        // Older kernels take ids up to 2^31 only. Terminals then have the group of whoever opens them.
        Err(Errno::EINVAL) => mount_with(options),
        other => other,
    }
}
