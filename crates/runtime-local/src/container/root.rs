//! The dyno's root filesystem.
//!
//! Everything is built on a tmpfs of the dyno's own, which nobody sees once
//! the dyno's root is entered:
//!
//! - `/` is the stack's image, its users mapped to the dyno's range, under an
//!   overlay that holds the generated files; read-only in the end.
//! - `/app` is the release's layers, mapped likewise, under a writable layer
//!   on the dyno's disk; `/tmp` lies on the same disk.
//! - Mounts that were asked for are opened before and attached after the old
//!   root is gone: links in an image can't lead to the host's files.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, chown, symlink};
use std::path::{Component, Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::unistd::{chdir, pivot_root};

use super::{SetupError, Step, devices, disk};
use crate::sys::mounts::{DetachedMount, NODEV, NOSUID, RDONLY, make_read_only};
use crate::wire::{Plan, PlanMount, PlanRoot};

const LOCKED: MsFlags = MsFlags::MS_NOSUID.union(MsFlags::MS_NODEV);
const NONE: Option<&str> = None;

/// The host's collection of certificate authorities, over the stack's: an
/// operator's private CA then reaches builds and apps.
const CA_BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";

pub(super) fn build(plan: &Plan, userns: &OwnedFd) -> Result<(), SetupError> {
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE).step("make mounts private")?;
    mount(Some("tmpfs"), &plan.scratch, Some("tmpfs"), LOCKED, Some("mode=0755,size=4m")).step("mount the scratch")?;
    chdir(&plan.scratch).step("enter the scratch")?;

    let extra = open_mounts(plan, userns)?;
    lay_root(plan, userns)?;
    disk::mount_at(plan, Path::new("disk"))?;
    lay_app(plan, userns)?;
    bind("disk/tmp", "root/tmp")?;
    devices::proc_at(Path::new("root/proc"), Path::new("empty"))?;
    devices::dev_at(Path::new("root/dev"), plan.first_id, plan.shm_bytes)?;

    chdir("root").step("enter the root")?;
    pivot_root(".", ".").step("change the root")?;
    umount2(".", MntFlags::MNT_DETACH).step("leave the old root")?;
    chdir("/").step("enter the new root")?;
    for (at, detached) in extra {
        attach(detached, &at, plan)?;
    }
    share_tmp()?;
    make_read_only(Path::new("/")).step("make the root read-only")
}

/// `/` from the stack's image and the generated files, at `root`.
fn lay_root(plan: &Plan, userns: &OwnedFd) -> Result<(), SetupError> {
    for dir in ["upper", "work", "root", "stack", "empty", "disk"] {
        make_dir(Path::new(dir), 0o755, plan.first_id)?;
    }
    let upper = Path::new("upper");
    for (dir, mode) in [("app", 0o755), ("tmp", 0o1777), ("proc", 0o555), ("dev", 0o755), ("sys", 0o555)] {
        make_dir(&upper.join(dir), mode, plan.first_id)?;
    }
    for file in &plan.files {
        write_file(upper, &file.path, &file.content, plan.first_id)?;
    }
    match &plan.root {
        PlanRoot::Mounted(stack) => {
            mapped(stack, userns)?.attach(Path::new("stack")).step("mount the stack")?;
            let options = Some("lowerdir=stack,upperdir=upper,workdir=work");
            mount(Some("overlay"), "root", Some("overlay"), LOCKED, options).step("lay the root")
        }
        PlanRoot::Host => {
            bind("upper", "root")?;
            lay_host(plan.first_id, userns)
        }
    }
}

/// The machine's own `/usr`, and the few files of `/etc` that programs in it
/// can't do without.
fn lay_host(first_id: u32, userns: &OwnedFd) -> Result<(), SetupError> {
    let root = Path::new("root");
    for dir in ["usr", "etc/ssl/certs", "etc/alternatives", "var/tmp", "run", "root"] {
        make_dirs(root, Path::new(dir), first_id)?;
    }
    for name in ["bin", "sbin", "lib", "lib32", "lib64", "libx32"] {
        if fs::symlink_metadata(Path::new("/").join(name)).is_ok() {
            symlink(Path::new("usr").join(name), root.join(name)).step("link into /usr")?;
        }
    }
    shown(Path::new("/usr"), userns)?.attach(Path::new("root/usr")).step("show /usr")?;
    let local = Path::new("root/usr/local");
    if local.is_dir() {
        shown(Path::new("empty"), userns)?.attach(local).step("hide /usr/local")?;
    }
    for dir in ["etc/ssl/certs", "etc/alternatives"] {
        let host = Path::new("/").join(dir);
        if host.is_dir() {
            shown(&host, userns)?.attach(&root.join(dir)).step("show a directory of /etc")?;
        }
    }
    for file in ["etc/ld.so.cache", "etc/ld.so.conf", "etc/ssl/openssl.cnf", "etc/mime.types", "etc/services"] {
        let host = Path::new("/").join(file);
        if host.is_file() {
            write_file(root, Path::new(file), "", first_id)?;
            shown(&host, userns)?.attach(&root.join(file)).step("show a file of /etc")?;
        }
    }
    Ok(())
}

/// `/app`: the layers under a writable one.
fn lay_app(plan: &Plan, userns: &OwnedFd) -> Result<(), SetupError> {
    let mut lower = Vec::new();
    for (index, layer) in plan.layers.iter().enumerate() {
        let place = format!("layer{index}");
        make_dir(Path::new(&place), 0o755, plan.first_id)?;
        mapped(layer, userns)?.attach(Path::new(&place)).step("mount a layer")?;
        lower.push(place);
    }
    if lower.is_empty() {
        return bind("disk/app", "root/app");
    }
    // Of an overlay's lower directories the first is the topmost.
    lower.reverse();
    let options = format!("lowerdir={},upperdir=disk/app,workdir=disk/work", lower.join(":"));
    mount(Some("overlay"), "root/app", Some("overlay"), LOCKED, Some(options.as_str())).step("lay /app")
}

/// Opens the sources of what is to be mounted later.
fn open_mounts(plan: &Plan, userns: &OwnedFd) -> Result<Vec<(PathBuf, DetachedMount)>, SetupError> {
    let mut opened = Vec::new();
    if matches!(plan.root, PlanRoot::Mounted(_)) && Path::new(CA_BUNDLE).is_file() {
        opened.push((PathBuf::from(CA_BUNDLE), shown(Path::new(CA_BUNDLE), userns)?));
    }
    for PlanMount { source, target, read_only } in &plan.mounts {
        let attributes = NOSUID | NODEV | if *read_only { RDONLY } else { 0 };
        let detached = DetachedMount::clone_of(source)
            .and_then(|detached| detached.set(attributes, Some(userns.as_fd())).map(|()| detached))
            .map_err(|source_error| SetupError {
                what: format!("show `{}` with mapped users", source.display()),
                source: source_error,
            })?;
        opened.push((target.clone(), detached));
    }
    Ok(opened)
}

/// Inside the new root: makes the place if need be, and mounts there.
fn attach(detached: DetachedMount, target: &Path, plan: &Plan) -> Result<(), SetupError> {
    let failed = |source| SetupError { what: format!("mount at `{}`", target.display()), source };
    if target == Path::new(CA_BUNDLE) {
        // A stack without certificates has no use for them either.
        let there = fs::symlink_metadata(target).is_ok_and(|metadata| metadata.is_file());
        return if there { detached.attach(target).map_err(failed) } else { Ok(()) };
    }
    if !target.is_absolute() || target.components().any(|part| part == Component::ParentDir) {
        return Err(failed(io::ErrorKind::InvalidInput.into()));
    }
    if !target.exists() {
        let of_the_user = target.starts_with("/app") || target.starts_with("/tmp");
        let owner = plan.first_id + if of_the_user { runtime::USER_ID } else { 0 };
        let is_dir = detached.is_dir().map_err(failed)?;
        let dir = if is_dir { target } else { target.parent().unwrap_or(target) };
        make_dirs(Path::new("/"), dir.strip_prefix("/").unwrap_or(dir), owner)?;
        if !is_dir {
            fs::File::create(target).map_err(failed)?;
        }
    }
    detached.attach(target).map_err(failed)
}

/// Programs that prefer `/var/tmp` write to the same disk.
fn share_tmp() -> Result<(), SetupError> {
    let there = fs::symlink_metadata("/var/tmp").is_ok_and(|metadata| metadata.is_dir());
    if there { bind("/tmp", "/var/tmp") } else { Ok(()) }
}

/// A read-only clone in which files belong to the dyno's range as they belong
/// to 0 to 65,535 on disk.
fn mapped(path: &Path, userns: &OwnedFd) -> Result<DetachedMount, SetupError> {
    let cloned = DetachedMount::clone_of(path).step("open an image")?;
    cloned.set(RDONLY | NOSUID | NODEV, Some(userns.as_fd())).step("map the users of an image")?;
    Ok(cloned)
}

/// Like [`mapped`] for the host's own files. Where their file system can't
/// map users they show as nobody's, which is enough to read them.
fn shown(path: &Path, userns: &OwnedFd) -> Result<DetachedMount, SetupError> {
    let cloned = DetachedMount::clone_of(path).step("open the host's files")?;
    let locked = RDONLY | NOSUID | NODEV;
    match cloned.set(locked, Some(userns.as_fd())) {
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => cloned.set(locked, None),
        other => other,
    }
    .step("show the host's files")?;
    Ok(cloned)
}

fn bind(from: &str, to: &str) -> Result<(), SetupError> {
    mount(Some(from), to, NONE, MsFlags::MS_BIND, NONE)
        .map_err(|source| SetupError { what: format!("bind {from} to {to}"), source: source.into() })
}

pub(super) fn make_dir(path: &Path, mode: u32, owner: u32) -> Result<(), SetupError> {
    let failed = |source| SetupError { what: format!("make the directory `{}`", path.display()), source };
    match fs::DirBuilder::new().mode(mode).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(failed(error)),
        Ok(()) => chown(path, Some(owner), Some(owner)).map_err(failed),
    }
}

/// Makes `path` below `root` with all that leads to it.
fn make_dirs(root: &Path, path: &Path, owner: u32) -> Result<(), SetupError> {
    let mut at = root.to_owned();
    for part in path.components() {
        at.push(part);
        if !at.is_dir() {
            make_dir(&at, 0o755, owner)?;
        }
    }
    Ok(())
}

fn write_file(root: &Path, path: &Path, content: &str, owner: u32) -> Result<(), SetupError> {
    let failed = |source| SetupError { what: format!("write `{}`", path.display()), source };
    if let Some(dir) = path.parent() {
        make_dirs(root, dir, owner)?;
    }
    let at = root.join(path);
    fs::write(&at, content).map_err(failed)?;
    fs::set_permissions(&at, std::os::unix::fs::PermissionsExt::from_mode(0o644)).map_err(failed)?;
    chown(&at, Some(owner), Some(owner)).map_err(failed)
}
