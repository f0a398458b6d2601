//! Stack images that a newer version has replaced.
//!
//! Nothing starts on one any more: what is started takes the version that the
//! metadata names. Dynos that run on one have it mounted, which shows as a
//! loop device; so a folder that several servers share is safe as well.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::{Stack, StackDir};

/// Who has looked up the older version starts on it within this time.
const STARTS_TAKE: Duration = Duration::from_secs(3600);

/// An image that nothing uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replaced {
    path: PathBuf,
    /// What it takes on the disk.
    pub bytes: u64,
}

impl Replaced {
    pub fn remove(self) -> io::Result<()> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

impl StackDir {
    /// Older versions of stacks that no dyno of this machine runs on.
    pub fn replaced(&self) -> io::Result<Vec<Replaced>> {
        let mounted = backing_files(Path::new("/sys/block"))?;
        self.replaced_but(&mounted, SystemTime::now())
    }

    fn replaced_but(&self, mounted: &[PathBuf], now: SystemTime) -> io::Result<Vec<Replaced>> {
        let mut replaced = Vec::new();
        for stack in Stack::ALL {
            let Some(current) = self.metadata(stack) else { continue };
            let made = UNIX_EPOCH + Duration::from_secs(current.created_at_unix_s);
            if now.duration_since(made).unwrap_or_default() < STARTS_TAKE || !self.path().join(&current.file).is_file()
            {
                continue;
            }
            // Whoever makes a version has this lock.
            let path = self.path().join(format!("{stack}.lock"));
            let lock = File::options().write(true).create(true).truncate(false).open(path)?;
            if lock.try_lock().is_err() {
                continue;
            }
            for entry in fs::read_dir(self.path())? {
                let entry = entry?;
                let name = entry.file_name();
                let is_version = name.to_str().is_some_and(|name| is_version_of(stack, name));
                if is_version && name != *current.file && !mounted.contains(&entry.path().canonicalize()?) {
                    replaced.push(Replaced { path: entry.path(), bytes: entry.metadata()?.blocks() * 512 });
                }
            }
        }
        Ok(replaced)
    }
}

/// `debian-13-0123abcd.squashfs`
fn is_version_of(stack: Stack, name: &str) -> bool {
    let version = name.strip_prefix(stack.name()).and_then(|rest| rest.strip_prefix('-'));
    let version = version.and_then(|rest| rest.strip_suffix(".squashfs"));
    version.is_some_and(|version| version.len() == 8 && version.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// The files that loop devices are made of.
fn backing_files(devices: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(devices)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with("loop") {
            // Absent while the device is of nothing.
            match fs::read_to_string(entry.path().join("loop/backing_file")) {
                Ok(path) => files.push(PathBuf::from(path.trim_end_matches('\n'))),
                Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
                // Read at the moment when it was detached.
                Err(error) if error.raw_os_error() == Some(6) => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_older_versions_that_are_not_mounted_are_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let stacks = StackDir::new(folder.path());
        let place = |name: &str| folder.path().canonicalize().unwrap().join(name);
        let names = ["11111111", "22222222", "33333333"].map(|version| format!("debian-13-{version}.squashfs"));
        for name in names.iter().map(String::as_str).chain(["debian-13-notes.squashfs", "other-11111111.squashfs"]) {
            fs::write(place(name), "image").unwrap();
        }
        let hours = |hours: u64| UNIX_EPOCH + Duration::from_secs(hours * 3600);
        assert!(stacks.replaced_but(&[], hours(9)).unwrap().is_empty(), "no one knows which is in use");
        let metadata = format!(
            r#"{{"stack":"debian-13","recipe":"33333333","architecture":"{}","size_bytes":5,"created_at_unix_s":3600,"file":"{}"}}"#,
            std::env::consts::ARCH,
            names[2]
        );
        fs::write(place("debian-13.json"), metadata).unwrap();
        assert!(stacks.replaced_but(&[], hours(1)).unwrap().is_empty(), "it was replaced just now");
        let replaced = stacks.replaced_but(&[place(&names[0])], hours(9)).unwrap();
        assert_eq!(
            replaced.iter().map(|replaced| replaced.path.clone()).collect::<Vec<_>>(),
            [folder.path().join(&names[1])]
        );
        replaced.into_iter().for_each(|replaced| replaced.remove().unwrap());
        assert!(!place(&names[1]).exists() && place(&names[2]).exists());
    }

    #[test]
    fn the_files_of_loop_devices_are_read() {
        let devices = tempfile::tempdir().unwrap();
        for (device, file) in [("loop0", Some("/stacks/x.squashfs")), ("loop1", None), ("vda", None)] {
            fs::create_dir_all(devices.path().join(device).join("loop")).unwrap();
            if let Some(file) = file {
                fs::write(devices.path().join(device).join("loop/backing_file"), format!("{file}\n")).unwrap();
            }
        }
        assert_eq!(backing_files(devices.path()).unwrap(), [PathBuf::from("/stacks/x.squashfs")]);
        assert!(backing_files(Path::new("/sys/block")).is_ok());
    }
}
