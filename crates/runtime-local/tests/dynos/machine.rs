//! A data directory with a runtime on it, and words to use it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use domain::{AppId, DynoId};
use runtime::{
    DynoSpec, Event, Events, Exit, ExitStatus, Limits, Mount, RootFs, Runtime, StackRoot, Started, Stdio, Stream,
};
use runtime_local::{Config, LocalRuntime};
use uuid::Uuid;

const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Machine {
    pub(crate) dir: tempfile::TempDir,
    /// For the servers to come.
    pub(crate) unpack_images: bool,
    /// `None` while no server runs.
    server: Option<Server>,
    seen: HashMap<DynoId, Seen>,
}

struct Server {
    runtime: Arc<LocalRuntime>,
    events: Events,
}

#[derive(Default, Clone)]
pub(crate) struct Seen {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) lost: u64,
    pub(crate) exit: Option<Exit>,
}

/// What a dyno is to be; everything else is usual.
pub(crate) struct Wish {
    pub(crate) script: String,
    pub(crate) layers: Vec<PathBuf>,
    pub(crate) mounts: Vec<Mount>,
    pub(crate) stdio: Stdio,
    pub(crate) limits: Limits,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) stack: StackRoot,
    /// Instead of the script.
    pub(crate) command: Option<Vec<String>>,
}

pub(crate) const MIB: u64 = 1024 * 1024;

pub(crate) fn script(text: &str) -> Wish {
    Wish {
        script: text.to_owned(),
        layers: Vec::new(),
        mounts: Vec::new(),
        stdio: Stdio::Logged,
        limits: Limits { memory_bytes: 256 * MIB, processes: 64, cpu_share: 1, cpu_millis: None, disk_bytes: 64 * MIB },
        env: Vec::new(),
        stack: StackRoot::Host,
        command: None,
    }
}

/// Tests need root; without it they say so and pass.
pub(crate) fn is_root() -> bool {
    let root = Path::new("/proc/self/fd").exists() && nix_is_root();
    if !root {
        eprintln!("skipped: dynos need root");
    }
    root
}

fn nix_is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0)
}

/// Whether this kernel can map the users of a squashfs, so that images are
/// mounted unless a test wants them unpacked.
pub(crate) fn mounts_images() -> bool {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = release.split(['.', '-']).map(|part| part.parse::<u32>().unwrap());
    (numbers.next().unwrap(), numbers.next().unwrap()) >= (6, 2)
}

impl Machine {
    /// `None` where dynos can't run.
    pub(crate) async fn new() -> Option<Self> {
        Self::with(false).await
    }

    /// One whose images are unpacked instead of mounted.
    pub(crate) async fn unpacking() -> Option<Self> {
        Self::with(true).await
    }

    async fn with(unpack_images: bool) -> Option<Self> {
        if !is_root() {
            return None;
        }
        let dir = tempfile::Builder::new().prefix("renga-dynos-").tempdir().unwrap();
        let mut machine = Self { dir, unpack_images, server: None, seen: HashMap::new() };
        machine.start_server().await;
        Some(machine)
    }

    pub(crate) fn data_dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn config(&self) -> Config {
        let keeper = vec![env!("CARGO_BIN_EXE_runtime-local-keeper").into(), self.data_dir().into()];
        Config { unpack_images: self.unpack_images, ..Config::new(self.data_dir().to_owned(), keeper) }
    }

    pub(crate) async fn start_server(&mut self) {
        let (runtime, events) = LocalRuntime::open(self.config()).await.unwrap();
        self.server = Some(Server { runtime, events });
        self.seen.clear();
    }

    /// As a crash would: nothing is told to the keeper.
    pub(crate) async fn drop_server(&mut self) {
        let server = self.server.take().unwrap();
        let weak = Arc::downgrade(&server.runtime);
        drop(server);
        // The tasks of the runtime let go of it a moment later.
        for _ in 0..1000 {
            if weak.strong_count() == 0 {
                return;
            }
            tokio::task::yield_now().await;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        panic!("the runtime is still in use");
    }

    pub(crate) fn runtime(&self) -> Arc<LocalRuntime> {
        Arc::clone(&self.server.as_ref().unwrap().runtime)
    }

    pub(crate) async fn start(&self, wish: Wish) -> (DynoId, Started) {
        let spec = spec(wish);
        let id = spec.id;
        (id, self.runtime().start(spec).await.unwrap_or_else(|error| panic!("{}", chain(&error))))
    }

    /// Runs to the end.
    pub(crate) async fn run(&mut self, wish: Wish) -> Seen {
        let (id, _) = self.start(wish).await;
        self.until_exit(id).await
    }

    pub(crate) async fn until_exit(&mut self, id: DynoId) -> Seen {
        self.until(id, |seen| seen.exit.is_some()).await
    }

    /// Takes in events until this dyno's fulfil the condition.
    pub(crate) async fn until(&mut self, id: DynoId, done: impl Fn(&Seen) -> bool) -> Seen {
        let waiting = async {
            loop {
                let seen = self.seen.entry(id).or_default();
                if done(seen) {
                    return seen.clone();
                }
                let event = self.server.as_mut().unwrap().events.recv().await.expect("events go on");
                match event {
                    Event::Output { dyno, stream, bytes, .. } => {
                        let seen = self.seen.entry(dyno).or_default();
                        let text = String::from_utf8_lossy(&bytes);
                        match stream {
                            Stream::Stdout => seen.stdout.push_str(&text),
                            Stream::Stderr => seen.stderr.push_str(&text),
                        }
                    }
                    Event::Lost { dyno, bytes } => self.seen.entry(dyno).or_default().lost += bytes,
                    Event::Exited { dyno, exit, .. } => self.seen.entry(dyno).or_default().exit = Some(exit),
                }
            }
        };
        match tokio::time::timeout(PATIENCE, waiting).await {
            Ok(seen) => seen,
            Err(_) => panic!("waited in vain; dyno {id} said so far: {}", self.said(id)),
        }
    }

    fn said(&self, id: DynoId) -> String {
        self.seen.get(&id).map_or_else(String::new, |seen| format!("{}{} {:?}", seen.stdout, seen.stderr, seen.exit))
    }

    pub(crate) fn has_cgroup(&self, id: DynoId) -> bool {
        let found = Command::new("find").args(["/sys/fs/cgroup", "-name", &format!("*{id}*")]).output();
        !found.expect("find runs").stdout.is_empty()
    }

    /// Host process ids of a dyno, from any cgroup that bears its id.
    pub(crate) fn pids(&self, id: DynoId) -> Vec<i32> {
        let found = Command::new("find")
            .args(["/sys/fs/cgroup", "-path", &format!("*{id}/cgroup.procs")])
            .output()
            .expect("find runs");
        let mut pids: Vec<i32> = String::from_utf8_lossy(&found.stdout)
            .lines()
            .filter_map(|file| std::fs::read_to_string(file).ok())
            .flat_map(|text| text.lines().filter_map(|line| line.parse().ok()).collect::<Vec<i32>>())
            .collect();
        pids.sort_unstable();
        pids.dedup();
        pids
    }

    /// A squashfs layer with these files below `/app`, all of user 1000.
    pub(crate) fn layer(&self, name: &str, files: &[(&str, &str)]) -> PathBuf {
        let tree = self.data_dir().join(format!("{name}.tree"));
        for (path, content) in files {
            let path = tree.join("app").join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        let image = self.data_dir().join(format!("{name}.sqfs"));
        squash(&tree, &image, &["-force-uid", "1000", "-force-gid", "1000"]);
        image
    }
}

pub(crate) fn squash(tree: &Path, image: &Path, more: &[&str]) {
    let output = Command::new("mksquashfs")
        .args([tree, image])
        .args(["-quiet", "-no-progress", "-noappend"])
        .args(more)
        .output()
        .expect("mksquashfs is installed (squashfs-tools)");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.server = None;
        let report = runtime_local::down(self.dir.path(), Duration::ZERO);
        let left = runtime_local::inventory(self.dir.path());
        if std::thread::panicking() {
            return;
        }
        report.expect("down works");
        assert!(left.is_empty(), "{left:?}");
    }
}

/// A test that waits in vain fails instead of hanging.
pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("waited in vain")
}

pub(crate) fn spec(wish: Wish) -> DynoSpec {
    let path = ("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned());
    DynoSpec {
        id: DynoId(Uuid::now_v7()),
        app: AppId(Uuid::nil()),
        hostname: "web-1-test".to_owned(),
        root: RootFs { stack: wish.stack, layers: wish.layers },
        command: wish.command.unwrap_or_else(|| vec!["bash".to_owned(), "-c".to_owned(), wish.script]),
        env: [path, ("HOME".to_owned(), "/app".to_owned())].into_iter().chain(wish.env).collect(),
        cwd: PathBuf::from("/app"),
        mounts: wish.mounts,
        limits: wish.limits,
        stdio: wish.stdio,
        label: "{\"name\":\"web.1\"}".to_owned(),
    }
}

pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}

impl Seen {
    pub(crate) fn code(&self) -> i32 {
        match self.exit.expect("has ended").status {
            ExitStatus::Code(code) => code,
            other => panic!("ended by {other:?}; stderr: {}", self.stderr),
        }
    }

    /// stdout, of a dyno that ended well.
    pub(crate) fn out(&self) -> &str {
        assert_eq!(self.code(), 0, "stdout: {}; stderr: {}", self.stdout, self.stderr);
        self.stdout.trim_end()
    }
}
