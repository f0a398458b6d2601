//! One question to the kernel by sock_diag(7): which socket would take a
//! connection to this address and port?

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::OnceLock;

use nix::sched::{CloneFlags, setns};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket};
use runtime::Listening;

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_REQUEST: u16 = 1;
const NLMSG_ERROR: u16 = 2;
/// `TCP_LISTEN` of the kernel's states.
const LISTEN: u8 = 10;
const HEAD_BYTES: usize = 16;
/// `struct inet_diag_req_v2`.
const QUESTION_BYTES: usize = 56;

/// A netlink socket; it belongs to the network namespace it was opened in.
#[derive(Debug)]
pub(super) struct Diag(OwnedFd);

/// Whether this kernel answers such questions: the module may be missing,
/// which looks like "no such socket".
pub(super) fn works() -> bool {
    static WORKS: OnceLock<bool> = OnceLock::new();
    *WORKS.get_or_init(|| {
        let tried = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| {
            let port = listener.local_addr()?.port();
            Diag::open()?.look(Ipv4Addr::LOCALHOST, port)
        });
        let works = matches!(tried, Ok(Listening::Yes));
        if !works {
            tracing::info!("The kernel can't be asked for sockets by sock_diag; /proc/net/tcp is read instead");
        }
        works
    })
}

/// Opened by a thread that enters the namespace and ends.
pub(super) fn in_namespace(network: impl AsFd + Send) -> Option<Diag> {
    let open = || {
        setns(network, CloneFlags::CLONE_NEWNET)?;
        Diag::open()
    };
    let opened = std::thread::scope(|scope| scope.spawn(open).join());
    match opened {
        Ok(Ok(diag)) => Some(diag),
        Ok(Err(error)) => {
            tracing::warn!(%error, "Could not ask for a dyno's sockets; reading the tables");
            None
        }
        Err(_) => None, // the panic has been reported
    }
}

impl Diag {
    fn open() -> io::Result<Self> {
        let protocol = SockProtocol::NetlinkSockDiag;
        Ok(Self(socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol)?))
    }

    /// Who would be served by what listens on `port`: everyone who reaches
    /// `address`, or the dyno alone.
    pub(super) fn look(&self, address: Ipv4Addr, port: u16) -> io::Result<Listening> {
        if self.listens(address.into(), port)? {
            return Ok(Listening::Yes);
        }
        let loopback = [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()];
        // A kernel without IPv6 refuses the second question.
        let on_loopback = loopback.into_iter().any(|address| self.listens(address, port).unwrap_or(false));
        Ok(if on_loopback { Listening::OnLoopbackOnly } else { Listening::No })
    }

    fn listens(&self, address: IpAddr, port: u16) -> io::Result<bool> {
        send(self.0.as_raw_fd(), &question(address, port), MsgFlags::empty())?;
        let mut buffer = [0; 1024];
        // The kernel has answered before `send` returns.
        let length = recv(self.0.as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT)?;
        answer(&buffer[..length])
    }
}

fn question(address: IpAddr, port: u16) -> [u8; HEAD_BYTES + QUESTION_BYTES] {
    let (family, octets): (i32, &[u8]) = match &address {
        IpAddr::V4(address) => (libc::AF_INET, &address.octets()),
        IpAddr::V6(address) => (libc::AF_INET6, &address.octets()),
    };
    let mut bytes = [0; HEAD_BYTES + QUESTION_BYTES];
    bytes[..4].copy_from_slice(&((HEAD_BYTES + QUESTION_BYTES) as u32).to_ne_bytes());
    bytes[4..6].copy_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    bytes[6..8].copy_from_slice(&NLM_F_REQUEST.to_ne_bytes());
    let asked = &mut bytes[HEAD_BYTES..];
    asked[0] = family as u8;
    asked[1] = libc::IPPROTO_TCP as u8;
    // The socket's own port and address; whoever connects is left open.
    asked[8..10].copy_from_slice(&port.to_be_bytes());
    asked[12..12 + octets.len()].copy_from_slice(octets);
    // INET_DIAG_NOCOOKIE: any socket will do.
    asked[48..56].fill(0xff);
    bytes
}

fn answer(bytes: &[u8]) -> io::Result<bool> {
    let malformed = || io::Error::from(io::ErrorKind::InvalidData);
    let kind: [u8; 2] = bytes.get(4..6).and_then(|kind| kind.try_into().ok()).ok_or_else(malformed)?;
    match u16::from_ne_bytes(kind) {
        SOCK_DIAG_BY_FAMILY => Ok(*bytes.get(HEAD_BYTES + 1).ok_or_else(malformed)? == LISTEN),
        NLMSG_ERROR => {
            let code = bytes.get(HEAD_BYTES..HEAD_BYTES + 4).and_then(|code| code.try_into().ok());
            match -i32::from_ne_bytes(code.ok_or_else(malformed)?) {
                libc::ENOENT => Ok(false),
                code => Err(io::Error::from_raw_os_error(code)),
            }
        }
        _ => Err(malformed()),
    }
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, TcpStream};

    use super::*;

    const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

    fn look(address: Ipv4Addr, listener: &TcpListener) -> Listening {
        Diag::open().unwrap().look(address, listener.local_addr().unwrap().port()).unwrap()
    }

    /// `None` where the kernel can't be asked; then the test is skipped.
    fn listener(address: impl Into<IpAddr>) -> Option<TcpListener> {
        if !works() {
            eprintln!("skipped: the kernel can't be asked");
            return None;
        }
        // A machine without IPv6 has no such address.
        TcpListener::bind(SocketAddr::new(address.into(), 0)).ok()
    }

    #[test]
    fn a_listener_for_all_counts_at_every_address_and_one_on_loopback_does_not() {
        for all in [IpAddr::from(Ipv4Addr::UNSPECIFIED), Ipv6Addr::UNSPECIFIED.into()] {
            let Some(listener) = listener(all) else { continue };
            assert_eq!(look(ELSEWHERE, &listener), Listening::Yes, "{all}");
        }
        for own in [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()] {
            let Some(listener) = listener(own) else { continue };
            assert_eq!(look(ELSEWHERE, &listener), Listening::OnLoopbackOnly, "{own}");
        }
    }

    #[test]
    fn a_port_without_a_listener_is_not_listened_on_though_a_connection_has_it() {
        let Some(listener) = listener(Ipv4Addr::LOCALHOST) else { return };
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let port = client.local_addr().unwrap().port();
        assert_eq!(Diag::open().unwrap().look(ELSEWHERE, port).unwrap(), Listening::No);
    }
}
