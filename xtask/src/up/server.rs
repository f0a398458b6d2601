//! The server's life within `cargo xtask up`.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};

use super::{Options, Place};
use crate::privilege::as_root;
use crate::steps::{Step, run};

const START_PATIENCE: Duration = Duration::from_secs(30);
const STOP_PATIENCE: Duration = Duration::from_secs(40);

pub(super) struct Server {
    child: Child,
    place: Place,
}

impl Server {
    /// Returns once it serves.
    pub(super) fn start(renga: &Path, options: &Options) -> anyhow::Result<Self> {
        let address = options.listen;
        if e2e::http::get(address, "localhost", "/healthz").is_ok() {
            bail!(
                "a server answers on {address} already: end it first, or choose another address with --listen and \
                 another directory with --data-dir"
            );
        }
        let place = Place { renga: renga.to_owned(), address, data_dir: options.data_dir.clone() };
        let step = Step::begin(format!("Server on https://localhost:{}", address.port()));
        let log_path = log_path();
        let log = File::create(&log_path).with_context(|| format!("could not write `{}`", log_path.display()))?;
        let mut command = as_root(renga);
        command
            .args(["server", "--listen", &address.to_string()])
            .args(place.data_dir_words())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            // Ctrl-C is for us: we end the server in good order.
            .process_group(0);
        let child = command.spawn().with_context(|| format!("could not start `{}`", renga.display()))?;
        let mut server = Self { child, place };
        server.wait_until_it_serves()?;
        step.done();
        Ok(server)
    }

    fn wait_until_it_serves(&mut self) -> anyhow::Result<()> {
        let (address, child) = (self.place.address, &mut self.child);
        e2e::eventually(START_PATIENCE, || {
            if let Some(status) = child.try_wait()? {
                return Ok(Err(status));
            }
            match e2e::http::get(address, "localhost", "/healthz")?.status {
                200 => Ok(Ok(())),
                status => bail!("/healthz answers {status}"),
            }
        })?
        .map_err(|status| {
            let log = std::fs::read_to_string(log_path()).unwrap_or_default();
            anyhow::anyhow!("the server ended with {status}; it said:\n{log}")
        })
    }

    pub(super) fn place(&self) -> Place {
        self.place.clone()
    }

    /// Ends the server, then the dynos and all that is left of them.
    pub(super) fn down(mut self) -> anyhow::Result<()> {
        // Through sudo if need be; sudo hands the signal on to the server.
        run(as_root("kill").args(["-TERM", &self.child.id().to_string()]))?;
        let child = &mut self.child;
        let status = e2e::eventually(STOP_PATIENCE, || child.try_wait()?.context("the server goes on after SIGTERM"));
        if let Err(error) = &status {
            eprintln!("warning: {error:#}; it is killed");
            run(as_root("kill").args(["-KILL", &self.child.id().to_string()]))?;
            self.child.wait()?;
        }
        let mut down: Command = as_root(&self.place.renga);
        run(down.arg("down").args(self.place.data_dir_words()))
    }
}

fn log_path() -> PathBuf {
    e2e::workspace_root().join("target/renga-server.log")
}
