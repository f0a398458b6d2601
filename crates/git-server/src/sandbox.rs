//! Where git runs when the server is root: a root directory that holds nothing
//! but `/usr`, the hook and one repository, and a network without interfaces.
//!
//! The namespaces are made once, on a thread that ends afterwards; every git
//! process joins them, which costs microseconds. They are held by two file
//! descriptors, so nothing of them outlives the server.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::{Mode, SFlag, mknod};
use nix::unistd::{chdir, pivot_root};

/// Where things lie inside.
pub(crate) const REPOSITORIES: &str = "/git";
pub(crate) const REPOSITORY: &str = "/repo";
pub(crate) const HOOK_DIR: &str = "/hook";
pub(crate) const HOOK_PROGRAM: &str = "/hook-program";

#[derive(Debug)]
pub(crate) struct Sandbox {
    pub(crate) mounts: File,
    pub(crate) network: File,
}

/// What of the outside lies inside.
pub(crate) struct Contents<'a> {
    pub(crate) repositories: &'a Path,
    pub(crate) hook_dir: &'a Path,
    pub(crate) hook_program: &'a Path,
    /// An empty directory to build the root in; nothing is seen of it outside.
    pub(crate) scratch: &'a Path,
}

#[derive(Debug, thiserror::Error)]
#[error("could not {step} for the isolation of git")]
pub struct SandboxError {
    step: String,
    source: io::Error,
}

trait Step<T> {
    fn step(self, step: impl Into<String>) -> Result<T, SandboxError>;
}

impl<T, E: Into<io::Error>> Step<T> for Result<T, E> {
    fn step(self, step: impl Into<String>) -> Result<T, SandboxError> {
        self.map_err(|source| SandboxError { step: step.into(), source: source.into() })
    }
}

impl Sandbox {
    pub(crate) fn new(contents: &Contents<'_>) -> Result<Self, SandboxError> {
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().name("git-sandbox".to_owned());
            let thread = thread.spawn_scoped(scope, || build(contents)).step("start a thread")?;
            thread.join().unwrap_or_else(|_| Err(io::Error::other("the thread panicked").into()))
        })
    }
}

impl From<io::Error> for SandboxError {
    fn from(source: io::Error) -> Self {
        Self { step: "prepare a root directory".to_owned(), source }
    }
}

fn build(contents: &Contents<'_>) -> Result<Sandbox, SandboxError> {
    unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET).step("make namespaces")?;
    let namespaces = Sandbox {
        mounts: File::open("/proc/thread-self/ns/mnt").step("open the mount namespace")?,
        network: File::open("/proc/thread-self/ns/net").step("open the network namespace")?,
    };
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, private, None::<&str>).step("make mounts private")?;
    let root = Root(contents.scratch.to_owned());
    let tmpfs = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(Some("tmpfs"), &root.0, Some("tmpfs"), tmpfs, Some("size=1m,mode=755")).step("mount a root")?;
    root.fill(contents)?;
    root.enter()?;
    Ok(namespaces)
}

/// The future root directory.
struct Root(PathBuf);

impl Root {
    fn fill(&self, contents: &Contents<'_>) -> Result<(), SandboxError> {
        let read_only = MsFlags::MS_RDONLY | MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
        self.bind(Path::new("/usr"), "/usr", read_only)?;
        for name in ["/bin", "/sbin", "/lib", "/lib64", "/lib32"] {
            match fs::symlink_metadata(name) {
                Ok(found) if found.is_symlink() => symlink(fs::read_link(name)?, self.at(name))?,
                Ok(_) => self.bind(Path::new(name), name, read_only)?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error).step(format!("look at {name}")),
            }
        }
        fs::create_dir(self.at("/etc"))?;
        fs::create_dir(self.at("/dev"))?;
        if Path::new("/etc/ld.so.cache").exists() {
            self.bind(Path::new("/etc/ld.so.cache"), "/etc/ld.so.cache", read_only)?;
        }
        for device in ["/dev/null", "/dev/urandom"] {
            self.bind(Path::new(device), device, MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC)?;
        }
        let data = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
        self.bind(contents.repositories, REPOSITORIES, data)?;
        self.bind(contents.hook_dir, HOOK_DIR, read_only)?;
        self.bind(contents.hook_program, HOOK_PROGRAM, read_only)?;
        fs::create_dir(self.at(REPOSITORY))?;
        Ok(())
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.join(path.trim_start_matches('/'))
    }

    fn bind(&self, source: &Path, target: &str, flags: MsFlags) -> Result<(), SandboxError> {
        let inside = self.at(target);
        let is_dir = fs::metadata(source).step(format!("find {}", source.display()))?.is_dir();
        if is_dir {
            fs::create_dir(&inside)?
        } else {
            // Not by opening it: a child that another thread forks just then
            // would hold the root open for writing, and sealing it would fail.
            mknod(&inside, SFlag::S_IFREG, Mode::S_IRUSR, 0).step(format!("make {target}"))?;
        }
        let none = None::<&str>;
        let mounting = || format!("mount {}", source.display());
        mount(Some(source), &inside, none, MsFlags::MS_BIND | MsFlags::MS_REC, none).step(mounting())?;
        mount(none, &inside, none, MsFlags::MS_BIND | MsFlags::MS_REMOUNT | flags, none).step(mounting())
    }

    fn enter(&self) -> Result<(), SandboxError> {
        let remount = MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY | MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
        mount(None::<&str>, &self.0, None::<&str>, remount | MsFlags::MS_BIND, None::<&str>).step("seal the root")?;
        // Stacks the old root on the new one and takes it off (pivot_root(2)).
        chdir(&self.0).step("enter the root")?;
        pivot_root(".", ".").step("change the root")?;
        umount2(".", MntFlags::MNT_DETACH).step("leave the old root")
    }
}
