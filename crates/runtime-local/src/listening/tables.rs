//! The kernel's tables of sockets as text: slow (every connection of the
//! machine is walked past), and everywhere.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use runtime::Listening;

/// Looks at the sockets of the network namespace of process `pid`. A process
/// that is gone listens on nothing.
pub(super) fn of_process(pid: i32, port: u16) -> Listening {
    let net = Path::new("/proc").join(pid.to_string()).join("net");
    let tables = ["tcp", "tcp6"].map(|table| fs::read_to_string(net.join(table)).unwrap_or_default());
    in_tables(tables.iter().map(String::as_str), port)
}

fn in_tables<'a>(tables: impl Iterator<Item = &'a str>, port: u16) -> Listening {
    let mut found = Listening::No;
    for (address, listening_port) in tables.flat_map(str::lines).filter_map(listener) {
        if listening_port == port {
            if !address.to_canonical().is_loopback() {
                return Listening::Yes;
            }
            found = Listening::OnLoopbackOnly;
        }
    }
    found
}

/// The local address of a line of `/proc/net/tcp` whose socket listens.
fn listener(line: &str) -> Option<(IpAddr, u16)> {
    const LISTEN: &str = "0A";
    let mut fields = line.split_whitespace().skip(1);
    let (local, state) = (fields.next()?, fields.nth(1)?);
    let (address, port) = local.split_once(':')?;
    (state == LISTEN).then_some((address_of(address)?, u16::from_str_radix(port, 16).ok()?))
}

/// Words of 32 bits, each in the machine's byte order.
fn address_of(hex: &str) -> Option<IpAddr> {
    let word = |index: usize| Some(u32::from_str_radix(hex.get(index * 8..index * 8 + 8)?, 16).ok()?.to_ne_bytes());
    if hex.len() == 8 {
        return Some(Ipv4Addr::from(word(0)?).into());
    }
    let mut bytes = [0; 16];
    for (index, chunk) in bytes.chunks_mut(4).enumerate() {
        chunk.copy_from_slice(&word(index)?);
    }
    Some(Ipv6Addr::from(bytes).into())
}

#[cfg(test)]
#[cfg(target_endian = "little")]
mod tests {
    use super::*;

    const TCP: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1388 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 1 1 0 100 0 0 10 0
   1: 00000000:1389 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 1 1 0 100 0 0 10 0
   2: 00000000:138A 00000000:0000 01 00000000:00000000 00:00000000 00000000  1000        0 1 1 0 100 0 0 10 0
";
    const TCP6: &str = "\
   0: 00000000000000000000000000000000:138B 00000000000000000000000000000000:0000 0A 0 0 0 0 0 0
   1: 00000000000000000000000001000000:138C 00000000000000000000000000000000:0000 0A 0 0 0 0 0 0
   2: 0000000000000000FFFF00000100007F:138D 00000000000000000000000000000000:0000 0A 0 0 0 0 0 0
";

    #[test]
    fn listeners_are_told_from_connections_and_loopback_from_the_world() {
        let look = |port| in_tables([TCP, TCP6].into_iter(), port);
        assert_eq!(look(0x1388), Listening::OnLoopbackOnly);
        assert_eq!(look(0x1389), Listening::Yes);
        assert_eq!(look(0x138A), Listening::No, "a connection is no listener");
        assert_eq!(look(0x138B), Listening::Yes);
        assert_eq!(look(0x138C), Listening::OnLoopbackOnly);
        assert_eq!(look(0x138D), Listening::OnLoopbackOnly);
    }
}
