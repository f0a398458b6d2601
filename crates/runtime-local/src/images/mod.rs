//! Squashfs images, each made readable once and shared by all dynos that use it.
//!
//! They are mounted in `mounts/`, under a name made of the file's path and
//! identity: a file replaced by another is another image. One that no dyno
//! uses stays mounted for a while, since the next start likely wants it.
//!
//! A dyno takes a view of each with its users mapped. Kernels before 6.2 can't
//! make one of a squashfs, which shows at the first image: then it and all
//! others are unpacked into directories instead, kept and counted alike.

mod mounted;
mod unpacked;

use std::collections::{HashMap, HashSet, VecDeque};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ring::digest::{SHA256, digest};

use crate::wire::Known;
pub(crate) use mounted::unmount;
use unpacked::{Rubbish, is_left_over, is_unpacked};

#[derive(Debug, thiserror::Error)]
#[error("could not {doing} the image `{}`", path.display())]
pub(crate) struct ImageError {
    doing: &'static str,
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
    /// One at a time: it takes all processors anyway.
    unpacking: Mutex<()>,
    rubbish: Rubbish,
    can_map_users: fn(&Path) -> io::Result<bool>,
}

struct State {
    /// `None`: to be found out with the first image.
    form: Option<Form>,
    /// Dynos by image.
    users: HashMap<String, usize>,
    /// Made and unused, the longest unused first.
    idle: VecDeque<String>,
    /// Which file an image was made of, as far as this server made it.
    files: HashMap<String, PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Mounted,
    Unpacked,
}

/// Unused ones beyond are removed.
const MOST_IDLE: usize = 16;

impl Images {
    /// `known`: the dynos that exist already, whose images stay. Others of an
    /// earlier server are removed. With `unpack` the kernel is not asked what
    /// it can do.
    pub(crate) fn open(dir: PathBuf, known: &[Known], unpack: bool) -> io::Result<Self> {
        let form = unpack.then_some(Form::Unpacked);
        let mut state = State { form, users: HashMap::new(), idle: VecDeque::new(), files: HashMap::new() };
        let mut running = HashSet::new();
        for dyno in known {
            for name in &dyno.record.images {
                *state.users.entry(name.clone()).or_default() += 1;
                if dyno.exit.is_none() {
                    running.insert(name.as_str());
                }
            }
        }
        let mut unwanted = Vec::new();
        for entry in fs::read_dir(&dir)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if !entry.file_type()?.is_dir() {
                continue;
            }
            if is_left_over(&name) {
                unwanted.push(entry.path());
            } else if is_unpacked(&name) {
                // Nothing runs on one that the machine's crash may have torn.
                if !running.contains(name.as_str()) {
                    unwanted.push(entry.path());
                }
            } else if !state.users.contains_key(&name) {
                unmount(&entry.path())?;
            }
        }
        let rubbish = Rubbish::new(dir.clone());
        rubbish.throw(unwanted)?;
        let can_map_users = mounted::can_map_users;
        Ok(Self { dir, state: Mutex::new(state), unpacking: Mutex::new(()), rubbish, can_map_users })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Mounts or unpacks an image unless it is there, and counts one more user
    /// of it. May take milliseconds, or seconds to unpack.
    pub(crate) fn acquire(&self, image: &Path) -> Result<String, ImageError> {
        let failed = |doing| move |source| ImageError { doing, path: image.to_owned(), source };
        let (file, name) = identify(image).map_err(failed("open"))?;
        if self.mount(&file, &name).map_err(failed("mount"))? {
            self.state().files.insert(name.clone(), image.to_owned());
            return Ok(name);
        }
        let name = unpacked::name(&name);
        self.state().files.insert(name.clone(), image.to_owned());
        // Counted first, so that nobody removes it meanwhile: starts and ends of other dynos don't wait for this one.
        self.state().count(&name);
        if let Err(source) = self.unpack(&file, &name) {
            self.release(&[name]);
            return Err(failed("unpack")(source));
        }
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
            state.files.remove(&name);
            if let Err(error) = self.remove(&name) {
                tracing::warn!("Could not remove the unused image {name}: {error}");
            }
        }
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let place = self.place(name);
        if is_unpacked(name) { self.rubbish.throw([place]) } else { unmount(&place) }
    }

    /// Removes the unused whose file is gone, or is not known; tells how many
    /// they are. With `dry_run` only counts.
    pub(crate) fn drop_unused(&self, dry_run: bool) -> io::Result<u64> {
        // The lock is held, so that none of them comes into use meanwhile.
        let mut state = self.state();
        let is_there = |name: &String| state.files.get(name).is_some_and(|file| file.exists());
        let useless: Vec<String> = state.idle.iter().filter(|name| !is_there(name)).cloned().collect();
        for name in useless.iter().filter(|_| !dry_run) {
            self.remove(name)?;
            state.files.remove(name);
            state.idle.retain(|idle| idle != name);
        }
        Ok(useless.len() as u64)
    }

    /// Mounts and counts; `false` if that is of no use with this kernel.
    fn mount(&self, file: &File, name: &str) -> io::Result<bool> {
        // The lock is held during the mount, so that two dynos of a release make one mount.
        let mut state = self.state();
        if state.form == Some(Form::Unpacked) {
            return Ok(false);
        }
        let place = self.place(name);
        mounted::ensure(file, &place)?;
        if state.form.is_none() {
            let can_map = (self.can_map_users)(&place);
            if !matches!(can_map, Ok(true)) {
                unmount(&place)?;
            }
            if !can_map? {
                tracing::info!("This kernel can't map the users of a squashfs (Linux 6.2 can): images are unpacked");
                state.form = Some(Form::Unpacked);
                return Ok(false);
            }
            state.form = Some(Form::Mounted);
        }
        state.count(name);
        Ok(true)
    }

    fn unpack(&self, file: &File, name: &str) -> io::Result<()> {
        let place = self.place(name);
        if place.is_dir() {
            return Ok(());
        }
        let _one = self.unpacking.lock().unwrap_or_else(PoisonError::into_inner);
        // Another start may have been first.
        if place.is_dir() { Ok(()) } else { unpacked::unpack(file, &place) }
    }
}

impl State {
    fn count(&mut self, name: &str) {
        self.idle.retain(|idle| idle != name);
        *self.users.entry(name.to_owned()).or_default() += 1;
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

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// As root, which unpacks with owners; without it tests pass.
    fn folder() -> Option<tempfile::TempDir> {
        if !nix::unistd::geteuid().is_root() {
            eprintln!("skipped: mounts and owners need root");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("mounts")).unwrap();
        Some(folder)
    }

    fn open(folder: &Path) -> Images {
        Images::open(folder.join("mounts"), &[], true).unwrap()
    }

    fn image(folder: &Path, name: &str) -> PathBuf {
        let (tree, image) = (folder.join(format!("{name}.tree")), folder.join(name));
        fs::create_dir_all(tree.join("app")).unwrap();
        fs::write(tree.join("app/name"), name).unwrap();
        let made = Command::new("mksquashfs")
            .args([&tree, &image])
            .args(["-quiet", "-no-progress", "-force-uid", "1000", "-force-gid", "7"])
            .output()
            .expect("mksquashfs is installed (squashfs-tools)");
        assert!(made.status.success());
        image
    }

    fn entries(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder.join("mounts")).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn where_the_kernel_refuses_images_are_directories_from_the_first() {
        let Some(folder) = folder() else { return };
        let mut images = Images::open(folder.path().join("mounts"), &[], false).unwrap();
        images.can_map_users = |_| Ok(false);
        let one = images.acquire(&image(folder.path(), "one")).unwrap();
        images.can_map_users = |_| panic!("asked once");
        let two = images.acquire(&image(folder.path(), "two")).unwrap();
        assert_eq!(images.acquire(&folder.path().join("one")).unwrap(), one);
        assert_eq!(crate::inventory::mounts_below(folder.path()), Vec::<PathBuf>::new());
        let mut both = [one.clone(), two];
        both.sort();
        assert_eq!(entries(folder.path()), both);
        let file = images.place(&one).join("app/name");
        assert_eq!(fs::read_to_string(&file).unwrap(), "one");
        let metadata = fs::metadata(file).unwrap();
        assert_eq!((metadata.uid(), metadata.gid()), (1000, 7));
    }

    #[test]
    fn a_kernel_that_can_not_be_asked_is_asked_again() {
        let Some(folder) = folder() else { return };
        let mut images = Images::open(folder.path().join("mounts"), &[], false).unwrap();
        images.can_map_users = |_| Err(io::ErrorKind::OutOfMemory.into());
        let image = image(folder.path(), "one");
        assert!(images.acquire(&image).is_err());
        assert_eq!(entries(folder.path()), Vec::<String>::new());
        images.can_map_users = |_| Ok(true);
        let name = images.acquire(&image).unwrap();
        assert_eq!(crate::inventory::mounts_below(folder.path()), [images.place(&name)]);
        unmount(&images.place(&name)).unwrap();
    }

    #[test]
    fn only_so_many_unused_directories_are_kept() {
        let Some(folder) = folder() else { return };
        let images = open(folder.path());
        let used = images.acquire(&image(folder.path(), "used")).unwrap();
        let mut names = Vec::new();
        for number in 0..MOST_IDLE + 2 {
            let name = images.acquire(&image(folder.path(), &number.to_string())).unwrap();
            images.release(std::slice::from_ref(&name));
            names.push(name);
        }
        // The first that went is made anew.
        let again = images.acquire(&folder.path().join("0")).unwrap();
        assert_eq!(again, names[0]);
        assert_eq!(fs::read_to_string(images.place(&again).join("app/name")).unwrap(), "0");
        drop(images);
        let mut left: Vec<String> =
            names.into_iter().enumerate().filter(|(at, _)| *at != 1).map(|(_, name)| name).collect();
        left.push(used);
        left.sort();
        assert_eq!(entries(folder.path()), left);
    }

    #[test]
    fn an_unused_image_whose_file_is_gone_is_let_go_of() {
        let Some(folder) = folder() else { return };
        let images = open(folder.path());
        let [used, unused, kept] =
            ["used", "unused", "kept"].map(|name| images.acquire(&image(folder.path(), name)).unwrap());
        images.release(&[unused.clone(), kept.clone()]);
        for gone in ["used", "unused"] {
            fs::remove_file(folder.path().join(gone)).unwrap();
        }
        assert_eq!(images.drop_unused(true).unwrap(), 1);
        assert!(images.place(&unused).exists());
        assert_eq!(images.drop_unused(false).unwrap(), 1);
        assert_eq!(images.drop_unused(false).unwrap(), 0);
        assert!(!images.place(&unused).exists());
        assert!(images.place(&used).exists() && images.place(&kept).exists());
    }

    #[test]
    fn what_a_crash_has_left_is_swept() {
        let Some(folder) = folder() else { return };
        let images = open(folder.path());
        let image = image(folder.path(), "one");
        let name = images.acquire(&image).unwrap();
        drop(images);
        let mounts = folder.path().join("mounts");
        for half in ["0123456789abcdef.files.new", "0123.old"] {
            fs::create_dir_all(mounts.join(half).join("app")).unwrap();
            fs::write(mounts.join(half).join("app/file"), "half").unwrap();
        }
        fs::write(mounts.join("disk-16.ext4"), "").unwrap();
        // Torn, as a machine's crash may leave it: no dyno runs on it, so nobody ever will.
        fs::write(mounts.join(&name).join("app/name"), "").unwrap();

        let images = open(folder.path());
        assert_eq!(images.acquire(&image).unwrap(), name);
        assert_eq!(fs::read_to_string(images.place(&name).join("app/name")).unwrap(), "one");
        drop(images);
        assert_eq!(entries(folder.path()), [name.as_str(), "disk-16.ext4"]);
    }

    #[test]
    fn an_image_that_can_not_be_unpacked_leaves_nothing() {
        let Some(folder) = folder() else { return };
        let images = open(folder.path());
        let image = image(folder.path(), "one");
        // The tables of names and places are at the end.
        File::options().write(true).open(&image).unwrap().set_len(110).unwrap();
        let (what, source) = images.acquire(&image).unwrap_err().into_parts();
        assert_eq!(what, format!("could not unpack the image `{}`", image.display()));
        assert!(source.to_string().starts_with("unsquashfs: exit status: "), "{source}");
        assert_eq!(entries(folder.path()), Vec::<String>::new());
        assert!(images.state().users.is_empty());
    }
}
