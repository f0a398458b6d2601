//! How dynos resolve names: with the host's own name servers.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};

/// Where systemd-resolved lists the servers that it asks itself.
const RESOLVED_UPSTREAMS: &str = "/run/systemd/resolve/resolv.conf";

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Resolver {
    /// Name servers as the host has them, IPv4 only (dynos have no IPv6 route).
    pub(super) servers: Vec<Ipv4Addr>,
    /// Lines of `search` and `options`.
    other: Vec<String>,
}

impl Resolver {
    /// As the host is configured now. Nothing readable: no servers.
    pub(crate) fn of_host() -> Self {
        let of_file = |path| fs::read_to_string(path).map(|text| Self::parse(&text)).unwrap_or_default();
        let resolver = of_file("/etc/resolv.conf");
        if resolver.servers == [Ipv4Addr::new(127, 0, 0, 53)] {
            let upstreams = of_file(RESOLVED_UPSTREAMS);
            if !upstreams.servers.is_empty() {
                return upstreams;
            }
        }
        resolver
    }

    fn parse(text: &str) -> Self {
        let mut resolver = Self::default();
        for line in text.lines() {
            let mut words = line.split_whitespace();
            match (words.next(), words.next()) {
                (Some("nameserver"), Some(address)) => {
                    if let Ok(IpAddr::V4(address)) = address.parse() {
                        resolver.servers.push(address);
                    }
                }
                (Some("search" | "options" | "domain"), Some(_)) => resolver.other.push(line.trim().to_owned()),
                _ => {}
            }
        }
        // More are ignored by every C library.
        resolver.servers.truncate(3);
        resolver
    }

    /// The first server that listens on the host's loopback.
    pub(super) fn on_loopback(&self) -> Option<Ipv4Addr> {
        self.servers.iter().copied().find(Ipv4Addr::is_loopback)
    }

    /// A dyno's `/etc/resolv.conf`. A server on the host's loopback is reached
    /// by way of the bridge's address.
    pub(crate) fn file(&self, gateway: Ipv4Addr) -> String {
        let mut text = String::new();
        let mut shown = Vec::new();
        for server in &self.servers {
            let server = if server.is_loopback() { gateway } else { *server };
            if !shown.contains(&server) {
                text.push_str(&format!("nameserver {server}\n"));
                shown.push(server);
            }
        }
        for line in &self.other {
            text.push_str(line);
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loopback_server_becomes_the_bridge_and_others_stay() {
        let resolver = Resolver::parse(
            "# c\nnameserver 127.0.0.1\nnameserver 9.9.9.9\nnameserver ::1\nsearch a.b\noptions ndots:2\n",
        );
        assert_eq!(resolver.on_loopback(), Some(Ipv4Addr::LOCALHOST));
        assert_eq!(
            resolver.file(Ipv4Addr::new(10, 208, 0, 1)),
            "nameserver 10.208.0.1\nnameserver 9.9.9.9\nsearch a.b\noptions ndots:2\n"
        );
    }
}
