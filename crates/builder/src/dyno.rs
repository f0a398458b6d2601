//! The build dyno: started, fed with the source, listened to, and ended.

use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use domain::DynoId;
use runtime::{Attachment, DynoSpec, Exit, Limits, Mount, RootFs, Runtime, StackRoot, Stdio};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio_util::sync::CancellationToken;

use crate::config::BuildLimits;
use crate::driver;
use crate::error::Platform;
use crate::output::Output;
use crate::request::BuildRequest;
use crate::scratch::Scratch;

/// The label of a build dyno: JSON, as the platform's labels are.
const LABEL_START: &str = r#"{"build":""#;

/// Whether a dyno's label ([`runtime::Existing::label`]) is that of a build.
pub(crate) fn is_build(label: &str) -> bool {
    label.starts_with(LABEL_START)
}

/// A dyno that runs the driver, with the build's disk as its `/tmp`.
pub(crate) fn spec(
    request: &BuildRequest,
    stack: StackRoot,
    scratch: &Scratch,
    env: Vec<(String, String)>,
    limits: &BuildLimits,
) -> DynoSpec {
    let build = request.build.to_string();
    let script = format!("{}/{}", driver::FOLDER, driver::SCRIPT_NAME);
    DynoSpec {
        id: DynoId(uuid::Uuid::now_v7()),
        app: request.app,
        hostname: format!("build-{}", &build[..8]),
        root: RootFs { stack, layers: Vec::new() },
        command: ["bash", "--noprofile", "--norc", &script, driver::FOLDER].map(str::to_owned).to_vec(),
        env,
        cwd: PathBuf::from("/app"),
        mounts: vec![
            Mount { source: scratch.root(), target: PathBuf::from("/tmp"), read_only: false },
            Mount { source: scratch.read_only_folder(), target: PathBuf::from(driver::FOLDER), read_only: true },
        ],
        limits: Limits {
            memory_bytes: limits.memory_bytes,
            processes: limits.processes,
            cpu_share: limits.cpu_share,
            cpu_millis: None,
            disk_bytes: limits.disk_bytes.min(1024 * 1024 * 1024),
        },
        stdio: Stdio::Attached { terminal: None },
        label: format!("{LABEL_START}{build}\"}}"),
    }
}

/// How the dyno's work came to an end.
#[derive(Debug)]
pub(crate) enum Ended {
    Exited(Exit),
    TimedOut,
    Cancelled,
    /// The sender of the source failed in the middle of it.
    SourceBroken(io::Error),
}

/// Runs the dyno to its end, and removes it: when this returns, none of its
/// processes lives and none of its mounts is held.
pub(crate) async fn run(
    runtime: &dyn Runtime,
    spec: DynoSpec,
    source: Box<dyn AsyncRead + Send + Unpin>,
    output: &mut Output,
    until: Instant,
    cancel: &CancellationToken,
) -> Result<Ended, Platform> {
    let id = spec.id;
    let started = runtime.start(spec).await?;
    let ended = match started.attachment {
        Some(attachment) => {
            tokio::select! {
                ended = follow(runtime, id, attachment, source, output) => ended,
                () = tokio::time::sleep_until(until.into()) => Ok(Ended::TimedOut),
                () = cancel.cancelled() => Ok(Ended::Cancelled),
            }
        }
        None => Err(Platform::Io {
            doing: "attach to",
            path: PathBuf::from(id.to_string()),
            source: io::ErrorKind::NotConnected.into(),
        }),
    };
    // Kills what still runs.
    let removed = runtime.remove(id).await;
    let ended = ended?;
    removed?;
    Ok(ended)
}

async fn follow(
    runtime: &dyn Runtime,
    id: DynoId,
    attachment: Attachment,
    mut source: Box<dyn AsyncRead + Send + Unpin>,
    output: &mut Output,
) -> Result<Ended, Platform> {
    let Attachment { mut input, output: mut from } = attachment;
    let feed = async {
        let fed = feed(&mut source, &mut input).await;
        // End of file for the dyno; it may have hung up long before.
        let _hung_up = input.shutdown().await;
        drop(input);
        fed
    };
    let listen = async {
        let mut buffer = BytesMut::with_capacity(32 * 1024);
        // An error means the same as the end: the other side is gone.
        while let Ok(1..) = from.read_buf(&mut buffer).await {
            output.pass(buffer.split().freeze()).await;
            buffer.reserve(32 * 1024);
        }
    };
    tokio::pin!(feed, listen);
    tokio::select! {
        fed = &mut feed => match fed {
            Ok(()) => listen.await,
            Err(error) => return Ok(Ended::SourceBroken(error)),
        },
        // A dyno that ends early does not wait for the rest of the source.
        () = &mut listen => {}
    }
    exit_of(runtime, id).await.map(Ended::Exited)
}

/// Copies the source; fails only if its sender does. A dyno that reads no
/// further ends the copying.
async fn feed(
    source: &mut (dyn AsyncRead + Send + Unpin),
    input: &mut (dyn tokio::io::AsyncWrite + Send + Unpin),
) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = source.read(&mut buffer).await?;
        if read == 0 || input.write_all(&buffer[..read]).await.is_err() {
            return Ok(());
        }
    }
}

/// The output has ended, so the exit is near; runtime events go to the
/// platform alone, so this one asks.
async fn exit_of(runtime: &dyn Runtime, id: DynoId) -> Result<Exit, Platform> {
    let mut wait = Duration::from_millis(1);
    loop {
        let found = runtime.list().await?.into_iter().find(|dyno| dyno.id == id);
        match found {
            None => return Err(runtime::RuntimeError::NoSuchDyno(id).into()),
            Some(dyno) => {
                if let Some(exit) = dyno.exit {
                    return Ok(exit);
                }
            }
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(Duration::from_millis(200));
    }
}

/// Where a build's output goes; bounded, so that a slow reader slows the build.
pub(crate) type Sender = tokio::sync::mpsc::Sender<Bytes>;
