//! Squashfs images, each mounted once and shared by all dynos that use it.
//!
//! They are mounted in `mounts/`, under a name made of the file's path and
//! identity: a file replaced by another is another image. One that no dyno
//! uses stays mounted for a while, since the next start likely wants it.

use std::collections::{HashMap, VecDeque};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::statfs::statfs;
use ring::digest::{SHA256, digest};

use crate::sys::loops::LoopDevice;

#[derive(Debug, thiserror::Error)]
#[error("could not mount the image `{}`", path.display())]
pub(crate) struct ImageError {
    path: PathBuf,
    source: io::Error,
}

impl ImageError {
    pub(crate) fn into_parts(self) -> (String, io::Error) {
        (self.to_string(), self.source)
    }
}

pub(crate) struct Images {
    dir: PathBuf,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Dynos by image.
    users: HashMap<String, usize>,
    /// Mounted and unused, the longest unused first.
    idle: VecDeque<String>,
}

/// Unused ones beyond are unmounted.
const MOST_IDLE: usize = 16;

impl Images {
    /// `used`: what dynos that exist already use. Other mounts of an earlier
    /// server are removed.
    pub(crate) fn open(dir: PathBuf, used: impl IntoIterator<Item = String>) -> io::Result<Self> {
        let mut state = State::default();
        for name in used {
            *state.users.entry(name).or_default() += 1;
        }
        for entry in fs::read_dir(&dir)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.file_type()?.is_dir() && !state.users.contains_key(&name) {
                unmount(&entry.path())?;
            }
        }
        Ok(Self { dir, state: Mutex::new(state) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Mounts an image unless it is mounted, and counts one more user of it.
    /// May take milliseconds.
    pub(crate) fn acquire(&self, image: &Path) -> Result<String, ImageError> {
        let failed = |source| ImageError { path: image.to_owned(), source };
        let (file, name) = identify(image).map_err(failed)?;
        // The lock is held during the mount, so that two dynos of a release make one mount.
        let mut state = self.state();
        self.ensure_mounted(&file, &name).map_err(failed)?;
        state.idle.retain(|idle| *idle != name);
        *state.users.entry(name.clone()).or_default() += 1;
        Ok(name)
    }

    pub(crate) fn place(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// One user less of each.
    pub(crate) fn release(&self, names: &[String]) {
        let mut state = self.state();
        for name in names {
            let Some(users) = state.users.get_mut(name) else { continue };
            *users -= 1;
            if *users == 0 {
                state.users.remove(name);
                state.idle.push_back(name.clone());
            }
        }
        while state.idle.len() > MOST_IDLE
            && let Some(name) = state.idle.pop_front()
        {
            if let Err(error) = unmount(&self.dir.join(&name)) {
                tracing::warn!("Could not unmount the unused image {name}: {error}");
            }
        }
    }

    fn ensure_mounted(&self, file: &File, name: &str) -> io::Result<()> {
        const SQUASHFS_MAGIC: i64 = 0x7371_7368;
        let place = self.dir.join(name);
        match fs::create_dir(&place) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        if statfs(&place)?.filesystem_type().0 as i64 == SQUASHFS_MAGIC {
            return Ok(());
        }
        let device = LoopDevice::attach(file, true, false)?;
        let flags = MsFlags::MS_RDONLY | MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
        mount(Some(&device.path), &place, Some("squashfs"), flags, None::<&str>)?;
        Ok(())
    }
}

fn identify(image: &Path) -> io::Result<(File, String)> {
    let file = File::open(image)?;
    let metadata = file.metadata()?;
    let identity = format!(
        "{}\0{}\0{}\0{}\0{}.{}",
        image.canonicalize()?.display(),
        metadata.dev(),
        metadata.ino(),
        metadata.len(),
        metadata.mtime(),
        metadata.mtime_nsec(),
    );
    let sum = digest(&SHA256, identity.as_bytes());
    Ok((file, sum.as_ref()[..8].iter().map(|byte| format!("{byte:02x}")).collect()))
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
