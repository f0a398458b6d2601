//! The dynos' network: a bridge with one isolated port per dyno.
//!
//! Each dyno has a network namespace with one address in the subnet of its
//! data directory, and a default route to the bridge. Namespaces are made
//! ahead by a thread of their own and handed over by descriptor; nothing but
//! the descriptors and the dynos keeps them alive, so none can leak.

mod firewall;
mod forwarding;
mod netlink;
mod pool;
mod resolver;
mod subnet;

use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use forwarding::Before;
use netlink::{Mac, Netlink};

pub(crate) use pool::{Pool, Sandbox, TakeError};
pub(crate) use resolver::Resolver;
pub(crate) use subnet::{SLOTS, Subnet};

use crate::paths::Paths;

pub(crate) struct Network {
    paths: Paths,
    pub(crate) subnet: Subnet,
    /// What the firewall's rules were made for.
    resolver: Mutex<Resolver>,
    /// The links that forwarded nothing before us, and are not to do so now.
    closed: Mutex<Before>,
}

impl Network {
    /// Makes what is missing of bridge, rules and kernel settings.
    pub(crate) fn open(paths: &Paths) -> io::Result<Self> {
        let network = Self {
            paths: paths.clone(),
            subnet: Subnet::of(paths)?,
            resolver: Mutex::new(Resolver::of_host()),
            closed: Mutex::default(),
        };
        network.repair()?;
        Ok(network)
    }

    /// Repairs what someone else has removed; dynos keep running meanwhile.
    pub(crate) fn repair(&self) -> io::Result<()> {
        let bridge = self.paths.bridge();
        let mut host = Netlink::open()?;
        let index = match host.index_of(&bridge)? {
            Some(index) => index,
            None => {
                host.add_bridge(&bridge, self.bridge_mac(), uplink_mtu())?;
                let index = host.index_of(&bridge)?.ok_or(io::ErrorKind::NotFound)?;
                self.plug_in_again(&mut host, index)?;
                index
            }
        };
        // Before the link comes up with addresses of its own making.
        set_sysctl(&format!("/proc/sys/net/ipv6/conf/{bridge}/disable_ipv6"), "1")?;
        host.set_up(index)?;
        host.add_address(index, self.subnet.gateway(), subnet::PREFIX)?;
        *self.closed.lock().unwrap_or_else(PoisonError::into_inner) =
            forwarding::switch_on(&self.paths.machine())?.unwrap_or_default();
        let resolver = self.resolver.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.load_rules(&resolver)
    }

    /// Cables outlive a bridge that someone has deleted.
    fn plug_in_again(&self, host: &mut Netlink, bridge: u32) -> io::Result<()> {
        let cable = format!("{}-", self.paths.bridge());
        for link in links(&self.paths) {
            let Some(slot) = link.strip_prefix(&cable).and_then(|slot| slot.parse().ok()) else { continue };
            if let Some(index) = host.index_of(&link)? {
                host.plug_in(index, bridge)?;
                let address = self.subnet.dyno(slot);
                host.set_neighbour(bridge, address, mac(address))?;
            }
        }
        Ok(())
    }

    fn load_rules(&self, resolver: &Resolver) -> io::Result<()> {
        let bridge = self.paths.bridge();
        let localnet = if resolver.on_loopback().is_some() { "1" } else { "0" };
        set_sysctl(&format!("/proc/sys/net/ipv4/conf/{bridge}/route_localnet"), localnet)?;
        let closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner).links.clone();
        firewall::load(&self.paths.nft_table(), &bridge, self.subnet, resolver, &closed)
    }

    /// The text of a dyno's `/etc/resolv.conf`; the rules follow a host that
    /// has changed its name servers.
    pub(crate) fn resolv_conf(&self) -> io::Result<String> {
        let now = Resolver::of_host();
        let mut known = self.resolver.lock().unwrap_or_else(PoisonError::into_inner);
        if *known != now {
            self.load_rules(&now)?;
            *known = now;
        }
        Ok(known.file(self.subnet.gateway()))
    }

    fn bridge_mac(&self) -> Mac {
        mac(self.subnet.gateway())
    }
}

/// A locally administered hardware address made of the IP address.
fn mac(address: Ipv4Addr) -> Mac {
    let [a, b, c, d] = address.octets();
    [0x02, 0x72, a, b, c, d]
}

fn set_sysctl(path: &str, value: &str) -> io::Result<()> {
    match fs::write(path, value) {
        // A kernel without IPv6 needs none of it switched off.
        Err(error) if error.kind() == io::ErrorKind::NotFound && path.contains("/ipv6/") => Ok(()),
        // Settings may be read-only where they are right already (inside another container).
        Err(error) => match fs::read_to_string(path) {
            Ok(now) if now.trim() == value => Ok(()),
            _ => Err(io::Error::new(error.kind(), format!("could not write {value} to {path}: {error}"))),
        },
        Ok(()) => Ok(()),
    }
}

/// The size of packets that the default route's link takes.
fn uplink_mtu() -> u32 {
    const USUAL: u32 = 1500;
    let Ok(routes) = fs::read_to_string("/proc/net/route") else { return USUAL };
    routes
        .lines()
        .skip(1)
        .filter_map(|line| {
            let mut fields = line.split_whitespace();
            let (link, to) = (fields.next()?, fields.next()?);
            (to == "00000000").then_some(link)
        })
        .find_map(|link| {
            fs::read_to_string(Path::new("/sys/class/net").join(link).join("mtu")).ok()?.trim().parse().ok()
        })
        .unwrap_or(USUAL)
}

/// Removes bridge, cables and rules of a data directory; fine if there are none.
pub(crate) fn remove_all(paths: &Paths) -> io::Result<()> {
    let mut host = Netlink::open()?;
    for link in links(paths) {
        host.delete(&link)?;
    }
    if firewall_is_loaded(paths) {
        firewall::unload(&paths.nft_table())?;
    }
    forwarding::switch_back(&paths.machine())
}

/// The host's links that belong to a data directory, cables before the bridge.
pub(crate) fn links(paths: &Paths) -> Vec<String> {
    let (bridge, cable) = (paths.bridge(), format!("{}-", paths.bridge()));
    let Ok(entries) = fs::read_dir("/sys/class/net") else { return Vec::new() };
    let mut links: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| *name == bridge || name.starts_with(&cable))
        .collect();
    links.sort_by_key(|name| std::cmp::Reverse(name.len()));
    links
}

/// Where nft can't be run there is no table either.
pub(crate) fn firewall_is_loaded(paths: &Paths) -> bool {
    firewall::is_loaded(&paths.nft_table()).unwrap_or(false)
}
