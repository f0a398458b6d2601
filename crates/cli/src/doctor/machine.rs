//! What lies around the kernel: packages, disk, stack, ports, names.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::statvfs::statvfs;
use stack::{HostPackage, StackDir, StackImage};

use super::check::Check;
use crate::DataDir;

/// What the server itself calls, beside what stacks and builds need.
const SERVER_PACKAGES: [HostPackage; 3] = [
    HostPackage { package: "git", brings: "git", purpose: "takes in pushes" },
    HostPackage { package: "iproute2", brings: "ip", purpose: "shows and mends dynos' networks" },
    HostPackage { package: "nftables", brings: "nft", purpose: "walls dynos off" },
];

/// A first build takes about this much, with the stack.
const WANTED_BYTES: u64 = 5 << 30;

pub(super) fn packages() -> Vec<Check> {
    let lacks = stack::missing_packages();
    let of_stack = stack::required_packages().iter().map(|package| (package, lacks.contains(package)));
    let of_server = SERVER_PACKAGES.iter().map(|package| (package, !is_on_path(package.brings)));
    of_stack
        .chain(of_server)
        .map(|(HostPackage { package, brings, purpose }, is_missing)| {
            let found = if is_missing { format!("`{brings}` is not here: {purpose}") } else { (*purpose).to_owned() };
            Check::must(format!("package.{package}"), !is_missing, found, format!("apt-get install {package}"))
        })
        .collect()
}

fn is_on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders.into_iter().any(|folder| folder.join(program).is_file())
}

/// The disk that `path` lies on, or will when it is made.
pub(super) fn disk(id: &str, path: &Path) -> Check {
    let Some(there) = path.ancestors().find(|ancestor| ancestor.exists()) else {
        return Check::failure(id, format!("`{}` can't be reached", path.display()), "name another directory");
    };
    let free_bytes = match statvfs(there) {
        Ok(disk) => disk.blocks_available() * disk.fragment_size(),
        Err(error) => {
            return Check::failure(id, format!("`{}`: {error}", there.display()), "name another directory");
        }
    };
    let found = format!("{:.1} GB free for `{}`", free_bytes as f64 / 1e9, path.display());
    if free_bytes >= WANTED_BYTES {
        return Check::ok(id, found);
    }
    Check::warning(id, found, "free some: stacks, images and builds want 5 GB to begin with")
}

pub(super) fn stack(stack_dir: &Path) -> Check {
    let stack = stack::Stack::DEFAULT;
    match StackDir::new(stack_dir).existing(stack) {
        Some(StackImage::File { path, version, .. }) => {
            Check::ok("stack", format!("{stack} version {version} at `{}`", path.display()))
        }
        Some(StackImage::Host) => Check::ok("stack", "the machine's own /usr"),
        None => Check::warning(
            "stack",
            format!("{stack} is not in `{}` yet", stack_dir.display()),
            "the first push makes it (about a minute), and needs Debian's package servers for that",
        ),
    }
}

/// A server that answers, or free ports for one.
pub(super) fn server(data_dir: &Path, listen: &[SocketAddr]) -> Check {
    let record = DataDir::open(data_dir).and_then(|dir| dir.server()).ok();
    if let Some(record) = record.filter(crate::ServerRecord::is_running) {
        let address = record.listen.first().and_then(|text| text.parse().ok());
        let is_healthy = address.is_some_and(|address| is_healthy(address).unwrap_or(false));
        let found = format!("the server (process {}) listens on {}", record.pid, record.listen.join(", "));
        let mend = "it does not answer /healthz: look at its log, or start it again";
        return Check::must("server", is_healthy, found, mend);
    }
    let none = format!("none runs for `{}`", data_dir.display());
    for address in listen {
        if let Err(error) = TcpListener::bind(address) {
            let mend = "end what uses the port (ss -ltnp shows it), or choose another with --listen";
            return Check::failure("server", format!("{none}, and {address} can't be taken: {error}"), mend);
        }
    }
    let listen: Vec<String> = listen.iter().map(ToString::to_string).collect();
    Check::ok("server", format!("{none}; {} is free", listen.join(", ")))
}

/// A listener on all addresses is asked through the loopback.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST)),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(IpAddr::V6(std::net::Ipv6Addr::LOCALHOST)),
        _ => {}
    }
    address
}

/// Whether a server of ours answers at this address, within seconds.
pub fn is_healthy(address: SocketAddr) -> std::io::Result<bool> {
    const PATIENCE: Duration = Duration::from_secs(5);
    let mut stream = TcpStream::connect_timeout(&reachable(address), PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut status = [0; 12];
    stream.read_exact(&mut status)?;
    Ok(&status == b"HTTP/1.1 200")
}

/// Browsers know `*.localhost` by themselves, other programs by the resolver.
pub(super) fn localhost_names() -> Check {
    let resolves = |name: &str| {
        (name, 0).to_socket_addrs().is_ok_and(|mut addresses| addresses.any(|address| address.ip().is_loopback()))
    };
    if !resolves("localhost") {
        let mend = "add the line `127.0.0.1 localhost` to /etc/hosts";
        return Check::failure("names.localhost", "`localhost` is not this machine", mend);
    }
    if resolves("any-app.localhost") {
        return Check::ok("names.localhost", "APP.localhost is this machine");
    }
    Check::warning(
        "names.localhost",
        "APP.localhost is known to browsers only",
        "for curl: --resolve APP.localhost:5000:127.0.0.1; for all programs: apt-get install libnss-myhostname",
    )
}

pub(super) fn official_cli() -> Check {
    let version = version_of("heroku", &["--version"]);
    let node = version_of("node", &["--version"]);
    let node_major =
        node.as_deref().and_then(|text| text.trim_start_matches('v').split('.').next()?.parse::<u32>().ok());
    match (version, node_major) {
        (Some(version), _) => Check::ok("heroku", version),
        (None, Some(20..)) => {
            Check::warning("heroku", "the official CLI is not on the PATH", "npm install --global heroku@11")
        }
        (None, _) => Check::warning(
            "heroku",
            format!("no official CLI, and {}", node.map_or("no Node".to_owned(), |node| format!("Node {node}"))),
            "install Node 20 or later, then: npm install --global heroku@11",
        ),
    }
}

fn version_of(program: &str, arguments: &[&str]) -> Option<String> {
    let scratch: PathBuf = std::env::temp_dir();
    let output = Command::new(program)
        .args(arguments)
        .current_dir(scratch)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).lines().next()?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::check::Status;
    use super::*;

    #[test]
    fn the_disk_is_that_of_the_nearest_directory_that_exists() {
        let dir = tempfile::tempdir().unwrap();
        let check = disk("disk.data", &dir.path().join("not/made/yet"));
        assert_ne!(check.status, Status::Failure, "{check:?}");
    }

    #[test]
    fn a_port_in_use_is_told_with_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let check = server(dir.path(), &[taken.local_addr().unwrap()]);
        assert_eq!(check.status, Status::Failure);
        assert!(check.mend.unwrap().contains("--listen"));
    }

    #[test]
    fn an_unspecified_address_is_asked_through_the_loopback() {
        assert_eq!(reachable("0.0.0.0:80".parse().unwrap()), "127.0.0.1:80".parse().unwrap());
        assert_eq!(reachable("[::]:80".parse().unwrap()), "[::1]:80".parse().unwrap());
        assert_eq!(reachable("10.0.0.1:80".parse().unwrap()), "10.0.0.1:80".parse().unwrap());
    }
}
