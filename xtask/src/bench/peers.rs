//! HAProxy and nginx in front of the same dyno.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context;
use e2e::{Process, eventually};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Peer {
    Haproxy,
    Nginx,
}

/// Ends when dropped.
pub(super) struct Running {
    child: Child,
    pub(super) address: SocketAddr,
    /// The configuration, by which its processes are known.
    folder: TempDir,
}

impl Peer {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Haproxy => "HAProxy",
            Self::Nginx => "nginx",
        }
    }

    pub(super) fn start(self, backend: SocketAddr, logs: bool) -> anyhow::Result<Running> {
        let address: SocketAddr = (Ipv4Addr::LOCALHOST, free_port()?).into();
        let folder = tempfile::Builder::new().prefix("renga-bench-").tempdir()?;
        let file = folder.path().join("configuration");
        let log = std::fs::File::create(folder.path().join("log"))?;
        let (text, mut command) = match self {
            Self::Haproxy => (haproxy(address, backend, logs), Command::new("haproxy")),
            Self::Nginx => (nginx(address, backend, logs, folder.path()), Command::new("nginx")),
        };
        std::fs::write(&file, text)?;
        match self {
            Self::Haproxy => command.arg("-db").arg("-f").arg(&file),
            Self::Nginx => command.arg("-c").arg(&file).arg("-p").arg(folder.path()),
        };
        let child = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn();
        let child = child.with_context(|| format!("could not start {}", self.name()))?;
        let running = Running { child, address, folder };
        let connected = eventually(PATIENCE, || Ok(TcpStream::connect(address)?));
        connected.with_context(|| {
            let said = std::fs::read_to_string(running.folder.path().join("log")).unwrap_or_default();
            format!("{} does not listen: {said}", self.name())
        })?;
        Ok(running)
    }
}

impl Running {
    /// It and its workers.
    pub(super) fn processes(&self) -> Vec<Process> {
        let own = self.child.id().cast_signed();
        let children = std::fs::read_to_string(format!("/proc/{own}/task/{own}/children")).unwrap_or_default();
        let pids = children.split_whitespace().filter_map(|pid| pid.parse().ok());
        std::iter::once(own).chain(pids).filter_map(Process::find).collect()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let pid = nix::unistd::Pid::from_raw(self.child.id().cast_signed());
        // SIGTERM: nginx takes its workers along.
        if nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).is_ok() {
            let _ended = self.child.wait();
        }
    }
}

fn haproxy(listen: SocketAddr, backend: SocketAddr, logs: bool) -> String {
    let log = if logs { "    log stdout format raw local0\n    option httplog\n" } else { "" };
    format!(
        "global\n    nbthread 2\n    maxconn 4096\ndefaults\n    mode http\n    timeout connect 5s\n    timeout client \
         55s\n    timeout server 30s\n    option forwardfor\n    http-reuse always\n{log}frontend front\n    bind \
         {listen}\n    default_backend dynos\nbackend dynos\n    server web1 {backend}\n"
    )
}

fn nginx(listen: SocketAddr, backend: SocketAddr, logs: bool, folder: &Path) -> String {
    let folder = folder.display();
    let log = if logs { format!("{folder}/access.log") } else { "off".to_owned() };
    format!(
        "daemon off; worker_processes 2; pid {folder}/pid; error_log {folder}/error.log;\nevents {{ \
         worker_connections 4096; }}\nhttp {{ access_log {log}; client_body_temp_path {folder}/body; proxy_temp_path \
         {folder}/proxy; fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path \
         {folder}/scgi; keepalive_requests 1000000; upstream dynos {{ server {backend}; keepalive 64; \
         keepalive_requests 1000000; }} server {{ listen {listen}; location / {{ proxy_pass http://dynos; \
         proxy_http_version 1.1; proxy_set_header Connection \"\"; proxy_set_header Host $host; proxy_set_header \
         X-Forwarded-For $remote_addr; }} }} }}\n"
    )
}

fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
