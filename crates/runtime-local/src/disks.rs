//! Templates of the disks that dynos write on: an empty ext4 per size, made
//! once and copied (sparse) for each dyno.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use crate::wire::PlanDisk;

pub(crate) struct Disks {
    dir: PathBuf,
    /// By size in MiB.
    made: Mutex<HashMap<u64, PathBuf>>,
}

const MIB: u64 = 1024 * 1024;

/// ext4 needs some room for itself.
const SMALLEST_MIB: u64 = 16;

impl Disks {
    pub(crate) fn new(dir: PathBuf) -> Self {
        Self { dir, made: Mutex::new(HashMap::new()) }
    }

    /// The disk of a dyno that may write this much. On a machine without
    /// `mkfs.ext4` or loop devices it is a plain directory, unlimited.
    pub(crate) fn of_size(&self, bytes: u64) -> io::Result<PlanDisk> {
        let mib = bytes.div_ceil(MIB).max(SMALLEST_MIB);
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(template) = made.get(&mib) {
            return Ok(PlanDisk::Image { template: template.clone() });
        }
        let template = self.dir.join(format!("disk-{mib}.ext4"));
        if !template.exists()
            && let Err(error) = self.make(&template, mib)
        {
            if error.kind() != io::ErrorKind::NotFound {
                return Err(error);
            }
            tracing::warn!("Dynos can write without a limit: mkfs.ext4 is missing (install e2fsprogs)");
            return Ok(PlanDisk::Directory);
        }
        made.insert(mib, template.clone());
        Ok(PlanDisk::Image { template })
    }

    fn make(&self, template: &PathBuf, mib: u64) -> io::Result<()> {
        let unfinished = self.dir.join(format!("disk-{mib}.new"));
        File::create(&unfinished)?.set_len(mib * MIB)?;
        let output = Command::new("mkfs.ext4")
            .args(["-q", "-F", "-m", "0", "-b", "4096", "-O", "^has_journal,^resize_inode"])
            .args(["-E", "lazy_itable_init=1,nodiscard,root_owner=0:0"])
            .arg(&unfinished)
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .output()?;
        if !output.status.success() {
            let text = String::from_utf8_lossy(&output.stderr);
            return Err(io::Error::other(format!("mkfs.ext4: {}", text.trim())));
        }
        // A template that a power cut left with holes would spoil every later start.
        File::open(&unfinished)?.sync_all()?;
        std::fs::rename(unfinished, template)?;
        File::open(&self.dir)?.sync_all()
    }
}
