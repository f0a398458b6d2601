//! How a stack is made: `mmdebstrap` writes a tar stream of Debian packages,
//! `tar2sqfs` turns it into a squashfs file.

use std::path::Path;
use std::process::{ExitStatus, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// What goes into a stack. A changed recipe makes a new version of the stack.
#[derive(Debug)]
pub(crate) struct Recipe {
    pub(crate) suite: &'static str,
    pub(crate) packages: &'static [&'static str],
    /// Shell commands run with the new root's path as `$1`.
    pub(crate) hooks: &'static [&'static str],
}

pub(crate) const DEBIAN_13: Recipe = Recipe {
    suite: "trixie",
    packages: &[
        // What buildpacks' scripts call (facts of Heroku's build image).
        "bash",
        "bzip2",
        "ca-certificates",
        "curl",
        "file",
        "gawk",
        "git",
        "jq",
        "less",
        "netbase",
        "openssh-client",
        "patch",
        "procps",
        "tzdata",
        "unzip",
        "xz-utils",
        "zip",
        "zstd",
        // Compilers, and the headers that native extensions ask for most.
        "g++",
        "gcc",
        "make",
        "pkg-config",
        "libffi-dev",
        "libpq-dev",
        "libsqlite3-dev",
        "libssl-dev",
        "zlib1g-dev",
        // Languages.
        "golang-go",
        "nodejs",
        "npm",
        "python-is-python3",
        "python3",
        "python3-dev",
        "python3-pip",
        "python3-venv",
        // Serves static sites.
        "nginx-light",
    ],
    hooks: &[
        r#"mkdir -p "$1/app""#,
        // pip may install for the user: nobody manages packages by apt in a dyno.
        r#"rm -f "$1"/usr/lib/python3*/EXTERNALLY-MANAGED"#,
        // Dynos run without new privileges; nothing here is to be set-user-id.
        r#"find "$1" -xdev -type f -perm /6000 -exec chmod a-s {} +"#,
        r#"rm -rf "$1"/var/log/* "$1"/var/www"#,
    ],
};

#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    #[error("could not start {program}; install the package {package}")]
    Start { program: &'static str, package: &'static str, source: std::io::Error },
    #[error("{program} ended with {status}; its last words: {last_words}")]
    Failed { program: &'static str, status: ExitStatus, last_words: String },
    #[error("could not follow {program}")]
    Io { program: &'static str, source: std::io::Error },
}

const MMDEBSTRAP: &str = "mmdebstrap";
const TAR2SQFS: &str = "tar2sqfs";

/// Writes the stack to `image`. `scratch` is a folder on a disk with about
/// 1.5 GB free; `mirror` replaces Debian's own servers.
pub(crate) async fn bootstrap(
    recipe: &Recipe,
    mirror: Option<&str>,
    scratch: &Path,
    image: &Path,
    mut progress: impl FnMut(&str),
) -> Result<(), BootstrapError> {
    let mut squash = Command::new(TAR2SQFS)
        .args(["--quiet", "--force", "--compressor", "zstd", "--comp-extra", "level=3"])
        .arg(image)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|source| BootstrapError::Start { program: TAR2SQFS, package: "squashfs-tools-ng", source })?;
    let tar: Stdio = match squash.stdin.take().map(TryInto::try_into) {
        Some(Ok(pipe)) => pipe,
        Some(Err(source)) => return Err(BootstrapError::Io { program: TAR2SQFS, source }),
        None => return Err(BootstrapError::Io { program: TAR2SQFS, source: std::io::ErrorKind::BrokenPipe.into() }),
    };
    let strap = mmdebstrap(recipe, mirror, scratch).stdout(tar).spawn().map_err(|source| BootstrapError::Start {
        program: MMDEBSTRAP,
        package: MMDEBSTRAP,
        source,
    })?;
    let mut strap = EndsTidily(strap);

    let strap_words = last_words(MMDEBSTRAP, strap.0.stderr.take(), &mut progress).await?;
    let status = strap.0.wait().await.map_err(|source| BootstrapError::Io { program: MMDEBSTRAP, source })?;
    let squash_words = last_words(TAR2SQFS, squash.stderr.take(), &mut progress).await?;
    let squash_status = squash.wait().await.map_err(|source| BootstrapError::Io { program: TAR2SQFS, source })?;
    // A full disk fails tar2sqfs first, and mmdebstrap only by its pipe.
    if !squash_status.success() {
        return Err(BootstrapError::Failed { program: TAR2SQFS, status: squash_status, last_words: squash_words });
    }
    if !status.success() {
        return Err(BootstrapError::Failed { program: MMDEBSTRAP, status, last_words: strap_words });
    }
    Ok(())
}

fn mmdebstrap(recipe: &Recipe, mirror: Option<&str>, scratch: &Path) -> Command {
    let mut command = Command::new(MMDEBSTRAP);
    command
        .args([
            "--variant=minbase",
            "--format=tar",
            "--aptopt=Acquire::Languages \"none\"",
            "--aptopt=Acquire::Retries \"3\"",
        ])
        .args(["--dpkgopt=force-unsafe-io", "--dpkgopt=path-exclude=/usr/share/man/*"])
        .args(["--dpkgopt=path-exclude=/usr/share/info/*", "--dpkgopt=path-exclude=/usr/share/locale/*"])
        .args(["--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-include=/usr/share/doc/*/copyright"])
        .arg(format!("--include={}", recipe.packages.join(",")))
        .args(recipe.hooks.iter().map(|hook| format!("--customize-hook={hook}")))
        .arg(recipe.suite)
        .arg("-")
        .args(mirror)
        .env("TMPDIR", scratch)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stderr(Stdio::piped());
    command
}

/// Passes each line on; gives the last few back for an error's text.
async fn last_words(
    program: &'static str,
    output: Option<tokio::process::ChildStderr>,
    progress: &mut impl FnMut(&str),
) -> Result<String, BootstrapError> {
    const KEPT_LINES: usize = 5;
    let Some(output) = output else { return Ok(String::new()) };
    let mut lines = BufReader::new(output).lines();
    let mut kept: Vec<String> = Vec::new();
    while let Some(line) = lines.next_line().await.map_err(|source| BootstrapError::Io { program, source })? {
        // Terminal progress bars rewrite one line with carriage returns.
        let line = line.rsplit('\r').find(|part| !part.trim().is_empty()).unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        progress(line.strip_prefix("I: ").unwrap_or(line));
        if kept.len() == KEPT_LINES {
            kept.remove(0);
        }
        kept.push(line.to_owned());
    }
    Ok(kept.join(" / "))
}

/// mmdebstrap unmounts and deletes what it made on SIGTERM; SIGKILL would
/// leave all of it behind.
struct EndsTidily(Child);

impl Drop for EndsTidily {
    fn drop(&mut self) {
        let Some(pid) = self.0.id().and_then(|pid| i32::try_from(pid).ok()) else { return };
        if let Err(error) = kill(Pid::from_raw(pid), Signal::SIGTERM) {
            tracing::warn!(pid, %error, "Could not end {MMDEBSTRAP}");
        }
    }
}
