//! Which host names are the platform's own.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use router::Host;

/// The platform's names and addresses, and the domains under which its apps
/// have their own names.
#[derive(Debug, Clone)]
pub struct Names {
    platform: BTreeSet<String>,
    addresses: BTreeSet<IpAddr>,
    base_domains: BTreeSet<String>,
}

impl Names {
    /// `localhost` and the machine's host name are always among the names, and
    /// loopback among the addresses; `configured` holds further names,
    /// `listening` the addresses that the listener is bound to.
    pub fn new(
        configured: impl IntoIterator<Item = String>,
        base_domains: impl IntoIterator<Item = String>,
        listening: impl IntoIterator<Item = SocketAddr>,
    ) -> Self {
        let mut platform: BTreeSet<String> = configured.into_iter().map(|name| name.to_ascii_lowercase()).collect();
        platform.insert("localhost".to_owned());
        platform.extend(machine_name());
        let listening = listening.into_iter().map(|address| address.ip().to_canonical());
        let mut addresses: BTreeSet<IpAddr> = listening.filter(|address| !address.is_unspecified()).collect();
        addresses.insert(Ipv4Addr::LOCALHOST.into());
        addresses.insert(Ipv6Addr::LOCALHOST.into());
        let base_domains = base_domains.into_iter().map(|name| name.to_ascii_lowercase()).collect();
        Self { platform, addresses, base_domains }
    }

    /// `reached`: the address of ours that the client connected to.
    pub(crate) fn is_platform(&self, host: &Host, reached: IpAddr) -> bool {
        match host.address() {
            Some(address) => {
                let address = address.to_canonical();
                address.is_loopback() || address == reached.to_canonical() || self.addresses.contains(&address)
            }
            None => self.platform.contains(host.as_str()),
        }
    }

    pub(crate) fn is_platform_name(&self, name: &str) -> bool {
        self.platform.contains(name)
    }

    /// Whether the name is one label below a base domain.
    pub(crate) fn may_be_app(&self, name: &str) -> bool {
        name.split_once('.').is_some_and(|(_, parent)| self.base_domains.contains(parent))
    }

    /// What the platform's certificate is good for.
    pub(crate) fn certified(&self) -> Vec<String> {
        let wildcards = self.base_domains.iter().map(|base| format!("*.{base}"));
        let addresses = self.addresses.iter().map(ToString::to_string);
        self.platform.iter().cloned().chain(wildcards).chain(addresses).collect()
    }
}

/// As the kernel has it; none if it is not fit to be a host name.
fn machine_name() -> Option<String> {
    let name = match std::fs::read_to_string("/proc/sys/kernel/hostname") {
        Ok(name) => name.trim().to_ascii_lowercase(),
        Err(error) => {
            tracing::debug!(%error, "the machine's host name is unknown");
            return None;
        }
    };
    let fits = (1..=253).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
        && name.bytes().any(|byte| byte.is_ascii_alphabetic());
    fits.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_platform(host: &str) -> bool {
        let names = Names::new(
            ["Renga.Example.com".to_owned()],
            ["localhost".to_owned()],
            ["0.0.0.0:5000".parse().unwrap(), "192.0.2.1:5000".parse().unwrap()],
        );
        let request = http::Request::builder().header("host", host).body(()).unwrap();
        names.is_platform(&Host::of(&request).unwrap(), "198.51.100.7".parse().unwrap())
    }

    #[test]
    fn the_platform_answers_to_its_names_and_to_addresses_that_are_its_own() {
        for ours in [
            "localhost",
            "LOCALHOST:5000",
            "127.0.0.1:1",
            "127.9.9.9",
            "[::1]:5000",
            "192.0.2.1",
            "198.51.100.7:5000",
            "renga.example.com",
        ] {
            assert!(is_platform(ours), "{ours}");
        }
        for other in ["app.localhost", "example.com", "192.0.2.2", "0.0.0.0", "localhost.example.com"] {
            assert!(!is_platform(other), "{other}");
        }
    }
}
