//! What a dyno may write on: `/app` and `/tmp`.
//!
//! An ext4 image of the dyno's disk limit, sparse, on a loop device. It is
//! mounted in the dyno's mount namespace only and without a journal: when the
//! dyno ends, mount and device go by themselves, and what was written is not
//! worth a repair.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use nix::mount::{MsFlags, mount};
use nix::unistd::{Whence, lseek64};

use super::root::make_dir;
use super::{SetupError, Step};
use crate::sys::loops::LoopDevice;
use crate::wire::{Plan, PlanDisk};

/// Mounts the dyno's disk at `at`, with the directories `app`, `work`, `tmp`.
pub(super) fn mount_at(plan: &Plan, at: &Path) -> Result<(), SetupError> {
    match &plan.disk {
        PlanDisk::Image { template } => {
            let path = plan.dir.join("disk.ext4");
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&path)
                .step("make the disk's image")?;
            let template = File::open(template).step("open the disk's template")?;
            copy_sparse(&template, &file).step("copy the disk's template")?;
            let device = LoopDevice::attach(&file, false, true).step("attach the disk")?;
            let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOATIME;
            mount(Some(&device.path), at, Some("ext4"), flags, Some("noinit_itable,nobarrier"))
                .step("mount the disk")?;
        }
        PlanDisk::Directory => {
            let dir = plan.dir.join("disk");
            make_dir(&dir, 0o700, 0)?;
            let flags = MsFlags::MS_BIND;
            mount(Some(&dir), at, None::<&str>, flags, None::<&str>).step("mount the disk's directory")?;
        }
    }
    make_dir(&at.join("app"), 0o755, plan.first_id + runtime::USER_ID)?;
    make_dir(&at.join("work"), 0o700, 0)?;
    make_dir(&at.join("tmp"), 0o1777, plan.first_id)
}

/// Copies data and leaves holes as they are.
fn copy_sparse(from: &File, to: &File) -> io::Result<()> {
    let size = from.metadata()?.len();
    to.set_len(size)?;
    let mut buffer = vec![0; 256 * 1024];
    let mut at = 0;
    while at < size as i64 {
        let data = match lseek64(from, at, Whence::SeekData) {
            Err(nix::errno::Errno::ENXIO) => break,
            other => other?,
        };
        let hole = lseek64(from, data, Whence::SeekHole)?;
        at = data;
        while at < hole {
            let wanted = buffer.len().min((hole - at) as usize);
            let read = from.read_at(&mut buffer[..wanted], at as u64)?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            to.write_all_at(&buffer[..read], at as u64)?;
            at += read as i64;
        }
    }
    Ok(())
}
