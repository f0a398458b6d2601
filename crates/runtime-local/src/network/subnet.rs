//! Which addresses the dynos of one data directory have.

use std::fs;
use std::io;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::inventory::keeper_pid;
use crate::paths::Paths;

/// 4,096 addresses; the first usable one is the bridge's.
pub(super) const PREFIX: u8 = 20;

/// Dynos of one data directory at most.
pub(crate) const SLOTS: u16 = 4092;

/// The /20 networks of 10.208.0.0/12.
const CHOICES: u32 = 256;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Subnet {
    pub(crate) network: Ipv4Addr,
}

/// Routes with at least so many bits keep their addresses from us.
const NARROW: u32 = 12;

impl Subnet {
    fn choice(number: u64) -> Self {
        let index = (number % u64::from(CHOICES)) as u32;
        Self { network: Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 208, 0, 0)) + (index << 12)) }
    }

    pub(crate) fn gateway(self) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(self.network) + 1)
    }

    pub(crate) fn dyno(self, slot: u16) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(self.network) + 2 + u32::from(slot))
    }

    /// The one remembered, as long as no other link has taken it since or
    /// dynos may have addresses in it; else the first free one from where the
    /// directory's hash points.
    pub(super) fn of(paths: &Paths) -> io::Result<Self> {
        let routes = fs::read_to_string("/proc/net/route")?;
        let bridge = paths.bridge();
        let file = paths.network_file();
        let remembered = match fs::read(&file) {
            Ok(bytes) => serde_json::from_slice::<Self>(&bytes).ok(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        if let Some(subnet) = remembered
            && (keeper_pid(paths).is_some() || !subnet.overlaps(&routes, &bridge))
        {
            return Ok(subnet);
        }
        let chosen = (0..u64::from(CHOICES))
            .map(|further| Self::choice(paths.number().wrapping_add(further)))
            .find(|subnet| !subnet.overlaps(&routes, &bridge))
            .ok_or_else(|| io::Error::other("all of 10.208.0.0/12 is routed elsewhere"))?;
        fs::write(file, serde_json::to_vec(&chosen)?)?;
        Ok(chosen)
    }

    /// Whether a route (`/proc/net/route`) of another link than `ours` leads
    /// into this subnet, wide ones and the default route aside.
    fn overlaps(self, routes: &str, ours: &str) -> bool {
        routes.lines().skip(1).any(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let (Some(link), Some(to), Some(mask)) = (fields.first(), fields.get(1), fields.get(7)) else {
                return false;
            };
            let number = |text: &str| u32::from_str_radix(text, 16).map(u32::from_be).unwrap_or(0);
            let (to, mask) = (number(to), number(mask));
            let common = mask & (u32::MAX << (32 - PREFIX));
            // A wider route (a private network's 10.0.0.0/8) loses against ours.
            mask.leading_ones() >= NARROW && *link != ours && (to ^ u32::from(self.network)) & common == 0
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTES: &str = "\
Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT
eth0 00000000 010200C0 0003 0 0 0 00000000 0 0 0
eth0 0000D00A 00000000 0001 0 0 0 00FCFFFF 0 0 0
mine 0010D00A 00000000 0001 0 0 0 00F0FFFF 0 0 0
";

    #[test]
    fn a_route_of_another_link_bars_a_subnet_and_the_default_route_does_not() {
        assert!(Subnet::choice(0).overlaps(ROUTES, "mine"), "10.208.0.0/22 is taken");
        assert!(!Subnet::choice(1).overlaps(ROUTES, "mine"));
        assert!(Subnet::choice(1).overlaps(ROUTES, "other"));
        assert!(!Subnet::choice(2).overlaps(ROUTES, "other"));
    }

    #[test]
    fn every_slot_has_an_address_of_its_own_inside() {
        let subnet = Subnet::choice(3);
        assert_eq!(subnet.gateway(), Ipv4Addr::new(10, 208, 48, 1));
        assert_eq!(subnet.dyno(0), Ipv4Addr::new(10, 208, 48, 2));
        assert_eq!(subnet.dyno(SLOTS - 1), Ipv4Addr::new(10, 208, 63, 253));
    }
}
