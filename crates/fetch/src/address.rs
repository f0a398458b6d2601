//! Which addresses belong to the public internet, and a resolver that gives
//! no others.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// Whether a stranger may send us to this address: not to this machine, its
/// neighbours, or a cloud's metadata. After IANA's special-purpose registries.
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    let special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || matches!(first, 0 | 224..)
        || (first == 100 && (64..128).contains(&second))
        || (first == 198 && matches!(second, 18 | 19))
        || (first == 192 && second == 0 && third == 0);
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, second, .., seventh, eighth] = address.segments();
    let embedded = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match first {
        // 6to4 and NAT64 lead to the IPv4 address that they hold.
        0x2002 => embedded(second, address.segments()[2]),
        0x64 if second == 0xff9b => embedded(seventh, eighth),
        0x2001 => !matches!(second, 0x0..=0x1ff | 0xdb8),
        // Global unicast is all that has been given out.
        _ => first & 0xe000 == 0x2000,
    }
}

/// What the resolver says of a host that has private addresses only.
#[derive(Debug, thiserror::Error)]
#[error("{address} is a private address")]
pub(crate) struct PrivateAddress {
    pub(crate) address: IpAddr,
}

/// The system's resolver, without private addresses. Each hop of a redirect
/// passes through it, so no name can lead to where it must not.
#[derive(Debug)]
pub(crate) struct PublicOnly(pub(crate) DefaultResolver);

impl Resolver for PublicOnly {
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let found = self.0.resolve(uri, config, timeout)?;
        // The operator's own proxy may be a neighbour; it decides where to go on.
        if config.proxy().is_some_and(|proxy| proxy.uri() == uri) {
            return Ok(found);
        }
        let mut public = self.empty();
        for address in found.iter().filter(|address| is_public(address.ip())) {
            public.push(*address);
        }
        match found.first() {
            Some(refused) if public.is_empty() => {
                Err(ureq::Error::Other(Box::new(PrivateAddress { address: refused.ip() })))
            }
            _ => Ok(public),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_its_neighbours_and_metadata_are_not_public() {
        let private = [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "255.255.255.255",
            "224.0.0.1",
            "198.18.0.1",
            "192.0.0.8",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "64:ff9b::a00:1",
            "2002:7f00:1::",
            "2001:db8::1",
        ];
        for text in private {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
        for text in ["1.1.1.1", "140.82.121.4", "172.32.0.1", "2606:4700::1111", "64:ff9b::808:808", "2001:4860::1"] {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
    }
}
