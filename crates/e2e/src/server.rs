//! A server of the real binary on a data directory of its own.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::{Process, Ran, command, environment, eventually, http};

const LOG: &str = "server.log";
const START_PATIENCE: Duration = Duration::from_secs(20);
const STOP_PATIENCE: Duration = Duration::from_secs(40);

/// Ends with all that it has on the machine when dropped.
pub struct Server {
    program: PathBuf,
    /// Holds the data directory and, beside it, the server's log.
    scratch: TempDir,
    data_dir: PathBuf,
    port: u16,
    /// Further options of `renga server`.
    options: Vec<String>,
    child: Option<Child>,
}

impl Server {
    /// Starts on an empty data directory and waits until it serves.
    pub fn start(program: &Path) -> anyhow::Result<Self> {
        Self::start_with(program, &[])
    }

    /// The same with further options of `renga server`.
    pub fn start_with(program: &Path, options: &[&str]) -> anyhow::Result<Self> {
        let mut server = Self::not_started(program, options)?;
        server.start_again()?;
        Ok(server)
    }

    /// One that is started later; its data directory is not there yet.
    pub fn not_started(program: &Path, options: &[&str]) -> anyhow::Result<Self> {
        // Dynos' users pass through it on their way to their files.
        let passable = std::fs::Permissions::from_mode(0o711);
        let scratch = tempfile::Builder::new().prefix("renga-e2e-").permissions(passable).tempdir()?;
        let data_dir = scratch.path().join("data");
        // The port must be the same after a restart, so it is chosen here.
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let options = options.iter().map(|option| (*option).to_owned()).collect();
        Ok(Self { program: program.to_owned(), scratch, data_dir, port, options, child: None })
    }

    /// Starts a server on the same directory and port, after one ended.
    pub fn start_again(&mut self) -> anyhow::Result<()> {
        let log = File::options().create(true).append(true).open(self.log_file())?;
        let child = Command::new(&self.program)
            .arg("server")
            .arg("--data-dir")
            .arg(&self.data_dir)
            .args(["--listen", &self.address().to_string()])
            .args(&self.options)
            // What this machine's own server is set to is no matter here.
            .env("RENGA_CONFIG", "")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("could not start `{}`", self.program.display()))?;
        let child = self.child.insert(child);
        let (address, log_file) = (SocketAddr::from((Ipv4Addr::LOCALHOST, self.port)), self.scratch.path().join(LOG));
        eventually(START_PATIENCE, || {
            if let Some(status) = child.try_wait()? {
                return Ok(Err(status));
            }
            match http::get(address, "localhost", "/healthz")?.status {
                200 => Ok(Ok(())),
                status => bail!("/healthz answers {status}"),
            }
        })?
        .map_err(|status| {
            self.child = None;
            let said = std::fs::read_to_string(log_file).unwrap_or_default();
            anyhow::anyhow!("the server ended with {status}; it said:\n{said}")
        })
    }

    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// `https://localhost:PORT`.
    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    pub fn program(&self) -> &Path {
        &self.program
    }

    /// The server's own process.
    pub fn process(&self) -> anyhow::Result<Process> {
        let child = self.child.as_ref().context("the server was ended")?;
        Process::find(child.id().cast_signed()).context("the server is gone")
    }

    /// What the server wrote to stdout and stderr so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    /// `GET path` of an app through the router.
    pub fn app(&self, app: &str, path: &str) -> anyhow::Result<http::Response> {
        http::get(self.address(), &format!("{app}.localhost:{}", self.port), path)
    }

    /// Asks until the app's answer to `GET path` is 200 and holds `text`.
    pub fn app_says(&self, app: &str, path: &str, text: &str) -> anyhow::Result<http::Response> {
        eventually(Duration::from_secs(60), || {
            let response = self.app(app, path)?;
            if response.status != 200 || !response.body.contains(text) {
                bail!("{app}{path} answers {} `{}`, not `{text}`", response.status, response.body);
            }
            Ok(response)
        })
    }

    /// SIGKILL: no goodbye.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        let mut child = self.child.take().context("the server was ended")?;
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// SIGTERM, and waits for the end.
    pub fn terminate(&mut self) -> anyhow::Result<ExitStatus> {
        let mut child = self.child.take().context("the server was ended")?;
        kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGTERM)?;
        let ended = eventually(STOP_PATIENCE, || child.try_wait()?.context("the server goes on after SIGTERM"));
        if ended.is_err() {
            child.kill()?;
            child.wait()?;
        }
        ended
    }

    /// `renga COMMAND --data-dir DIR`.
    pub fn renga(&self, arguments: &[&str]) -> anyhow::Result<Ran> {
        let mut words: Vec<OsString> = arguments.iter().map(Into::into).collect();
        words.push("--data-dir".into());
        words.push(self.data_dir.clone().into());
        let path = std::env::var_os("PATH").unwrap_or_default();
        let program = self.program.to_string_lossy();
        command::run(command::bounded(&program, &words, Path::new("/"), &[("PATH".into(), path)]))
    }

    /// Variables of `base` and `renga env`.
    pub fn environment(&self, base: &[(OsString, OsString)]) -> anyhow::Result<Vec<(OsString, OsString)>> {
        let data_dir = OsStr::new("--data-dir");
        environment(&[self.program.as_os_str(), OsStr::new("env"), data_dir, self.data_dir.as_os_str()], base)
    }

    fn log_file(&self) -> PathBuf {
        self.scratch.path().join(LOG)
    }

    fn end(&mut self) -> anyhow::Result<()> {
        if self.child.is_some() {
            self.terminate()?;
        }
        if self.data_dir.exists() {
            self.renga(&["down", "--grace-s", "2"])?.ok()?;
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            eprintln!("the server of `{}` left something behind: {error:#}", self.data_dir.display());
        }
        if std::thread::panicking() {
            eprintln!("--- the server's log\n{}", self.log());
        }
    }
}
