//! A builder on a runtime of its own, and what a build or an app says.

use std::fs;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use builder::{BuildError, BuildLimits, BuildRequest, Builder, BuilderConfig, BuildpackSources, Built, SourceOrigin};
use domain::{AppId, BuildId, ConfigVars, DynoId};
use images::{BlobStore, Image};
use runtime::{DynoSpec, Events, Limits, RootFs, Runtime, StackRoot, Stdio};
use runtime_local::{Config, LocalRuntime};
use stack::{DEFAULT_STACK_DIR, Stack, StackDir, StackImage};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub(crate) const KEEPER: &str = "keeper";
/// No step of a case takes longer, or it hangs.
const PATIENCE: Duration = Duration::from_secs(300);

pub(crate) type Case = for<'a> fn(&'a Bench) -> Pin<Box<dyn Future<Output = ()> + 'a>>;

pub(crate) struct Bench {
    tokio: tokio::runtime::Runtime,
    data_dir: tempfile::TempDir,
    stack: PathBuf,
    pub(crate) blobs: BlobStore,
    pub(crate) runtime: Arc<LocalRuntime>,
}

pub(crate) struct Outcome {
    pub(crate) text: String,
    pub(crate) result: Result<Built, BuildError>,
}

impl Outcome {
    pub(crate) fn built(self) -> Built {
        match self.result {
            Ok(built) => built,
            Err(error) => panic!("{error:?}\n{}", self.text),
        }
    }

    #[track_caller]
    pub(crate) fn says(&self, words: &str) {
        assert!(self.text.contains(words), "`{words}` is not in:\n{}", self.text);
    }
}

impl Bench {
    /// `None`, with a word about it, where real builds can't run.
    pub(crate) fn open() -> Option<Self> {
        if !nix::unistd::geteuid().is_root() {
            eprintln!("skipped: builds need root");
            return None;
        }
        let stack_dir = std::env::var("RENGA_STACK_DIR").unwrap_or_else(|_| DEFAULT_STACK_DIR.to_owned());
        let Some(StackImage::File { path: stack, .. }) = StackDir::new(stack_dir).existing(Stack::DEFAULT) else {
            eprintln!("skipped: the stack is not there (cargo xtask stack makes it)");
            return None;
        };
        let data_dir = tempfile::tempdir().unwrap();
        let tokio = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let keeper = vec![std::env::current_exe().unwrap().into(), KEEPER.into(), data_dir.path().into()];
        let config = Config::new(data_dir.path().to_owned(), keeper);
        let (runtime, events) = tokio.block_on(LocalRuntime::open(config)).unwrap();
        tokio.spawn(drain(events));
        let blobs = BlobStore::open(data_dir.path().join("blobs")).unwrap();
        Some(Self { tokio, data_dir, stack, blobs, runtime })
    }

    pub(crate) fn run(&self, case: Case) {
        self.tokio.block_on(case(self));
    }

    /// Ends all of it; tells what is left behind, if anything is.
    pub(crate) fn close(self) -> Option<String> {
        let Self { tokio, data_dir, runtime, .. } = self;
        drop(runtime);
        drop(tokio);
        runtime_local::down(data_dir.path(), Duration::from_secs(5)).unwrap();
        let left = runtime_local::inventory(data_dir.path());
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        let own = data_dir.path().to_str().unwrap();
        let mounts = mounts.lines().filter(|line| line.contains(own)).count();
        (!left.is_empty() || mounts > 0).then(|| format!("{left:?}, {mounts} mounts"))
    }

    pub(crate) fn builder(&self, limits: BuildLimits) -> Builder {
        let config = BuilderConfig {
            data_dir: self.data_dir.path().to_owned(),
            stacks: StackDir::new(self.stack.parent().unwrap()),
            environment: builder::operator_environment(None, |name| std::env::var(name).ok()),
            limits,
            buildpacks: BuildpackSources { allow_private: true, ..BuildpackSources::default() },
        };
        Builder::new(config, Arc::<LocalRuntime>::clone(&self.runtime), self.blobs.clone()).unwrap()
    }

    /// Builds the folder `app`.
    pub(crate) async fn build(&self, builder: &Builder, app: AppId, folder: &Path, config: &[(&str, &str)]) -> Outcome {
        let tar = Command::new("tar").arg("-C").arg(folder).args(["-cz", "."]).output().unwrap();
        assert!(tar.status.success());
        self.build_tar(builder, app, tar.stdout, config, &CancellationToken::new()).await
    }

    pub(crate) async fn build_tar(
        &self,
        builder: &Builder,
        app: AppId,
        tar: Vec<u8>,
        config: &[(&str, &str)],
        cancel: &CancellationToken,
    ) -> Outcome {
        let config: ConfigVars =
            config.iter().map(|(key, value)| (key.parse().unwrap(), (*value).to_owned())).collect();
        let request = BuildRequest {
            build: BuildId(uuid::Uuid::now_v7()),
            app,
            origin: SourceOrigin::Archive,
            source_version: Some("0123abc".to_owned()),
            buildpacks: Vec::new(),
            config,
            stack: "heroku-24".to_owned(),
        };
        let (to, mut from) = mpsc::channel::<bytes::Bytes>(16);
        let listen = async {
            let mut text = Vec::new();
            while let Some(bytes) = from.recv().await {
                text.extend_from_slice(&bytes);
            }
            String::from_utf8_lossy(&text).into_owned()
        };
        let source = Box::new(std::io::Cursor::new(tar));
        let work = async { tokio::join!(builder.build(request, source, to, cancel), listen) };
        let (result, text) = tokio::time::timeout(PATIENCE, work).await.expect("the build hangs");
        Outcome { text, result }
    }

    /// Runs the web process and answers `GET path` from it: status line,
    /// headers and body.
    pub(crate) async fn answers(&self, built: &Built, paths: &[&str]) -> Vec<String> {
        let requests: Vec<(&str, &str)> = paths.iter().map(|path| (*path, "")).collect();
        self.answers_to(built, &[], &requests).await
    }

    /// The same with config vars, and with header lines (`Name: value\r\n`) for each path.
    pub(crate) async fn answers_to(
        &self,
        built: &Built,
        config: &[(&str, &str)],
        requests: &[(&str, &str)],
    ) -> Vec<String> {
        let image = Image::load(&self.blobs, built.image).unwrap();
        let command = built.process_types.get(&domain::ProcessType::web()).expect("a web process");
        let id = DynoId(uuid::Uuid::now_v7());
        // As the platform starts a process: profile scripts, then the command.
        let script = format!("for f in .profile.d/*.sh; do [ -f \"$f\" ] && . \"$f\"; done; exec bash -c '{command}'");
        let env = [("PATH", "/usr/local/bin:/usr/bin:/bin"), ("HOME", "/app"), ("PORT", "5000"), ("DYNO", "web.1")];
        let spec = DynoSpec {
            id,
            app: AppId(uuid::Uuid::now_v7()),
            hostname: "web-1".to_owned(),
            root: RootFs { stack: StackRoot::Image(self.stack.clone()), layers: image.layer_files(&self.blobs) },
            command: ["bash", "-c", &script].map(str::to_owned).to_vec(),
            env: env.iter().chain(config).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            cwd: PathBuf::from("/app"),
            mounts: Vec::new(),
            limits: Limits {
                memory_bytes: 512 * 1024 * 1024,
                processes: 256,
                cpu_share: 1,
                cpu_millis: None,
                disk_bytes: 256 * 1024 * 1024,
            },
            stdio: Stdio::Logged,
            label: String::new(),
        };
        let address = self.runtime.start(spec).await.unwrap().address;
        let listens = async {
            while self.runtime.listening(id, 5000).await.unwrap() != runtime::Listening::Yes {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), listens).await.expect("the app does not listen on its port");
        let mut answers = Vec::new();
        for (path, headers) in requests {
            let mut stream = tokio::net::TcpStream::connect((address, 5000)).await.unwrap();
            let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\n{headers}Connection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await.unwrap();
            answers.push(String::from_utf8_lossy(&answer).into_owned());
        }
        self.runtime.remove(id).await.unwrap();
        answers
    }
}

async fn drain(mut events: Events) {
    while events.recv().await.is_some() {}
}

/// A sample app of the repository.
pub(crate) fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(name)
}

/// An app that only the tests have.
pub(crate) fn test_app(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/apps").join(name)
}

/// A tar archive of the given files.
pub(crate) fn tar_of(files: &[(&str, &str)]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    let tar = Command::new("tar").arg("-C").arg(folder.path()).args(["-c", "."]).output().unwrap();
    assert!(tar.status.success());
    tar.stdout
}

pub(crate) fn new_app() -> AppId {
    AppId(uuid::Uuid::now_v7())
}
