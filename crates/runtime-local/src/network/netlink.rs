//! Just enough rtnetlink: links, addresses, routes and neighbours, without a
//! process per change.
//!
//! A socket belongs to the network namespace in which it was opened, wherever
//! its thread goes later.

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket};

const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const NLM_F_REPLACE: u16 = 0x100;
const NLM_F_EXCL: u16 = 0x200;
const NLM_F_CREATE: u16 = 0x400;
const NLMSG_ERROR: u16 = 2;
const NLA_F_NESTED: u16 = 1 << 15;

const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_GETLINK: u16 = 18;
const RTM_SETLINK: u16 = 19;
const RTM_NEWADDR: u16 = 20;
const RTM_NEWROUTE: u16 = 24;
const RTM_NEWNEIGH: u16 = 28;

const AF_INET: u8 = libc::AF_INET as u8;
const AF_BRIDGE: u8 = libc::AF_BRIDGE as u8;

const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_MASTER: u16 = 10;
const IFLA_PROTINFO: u16 = 12;
const IFLA_LINKINFO: u16 = 18;
const IFLA_NET_NS_FD: u16 = 28;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_BR_FORWARD_DELAY: u16 = 1;
const IFLA_BR_STP_STATE: u16 = 5;
const IFLA_BRPORT_ISOLATED: u16 = 33;
const VETH_INFO_PEER: u16 = 1;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const NDA_DST: u16 = 1;
const NDA_LLADDR: u16 = 2;
const NUD_PERMANENT: u16 = 0x80;

const UP: u32 = libc::IFF_UP as u32;

pub(super) type Mac = [u8; 6];

pub(super) struct Netlink {
    socket: OwnedFd,
    sequence: u32,
}

/// A cable between the host's bridge and a dyno's network namespace.
pub(super) struct Cable<'a> {
    pub(super) host_name: &'a str,
    pub(super) bridge: u32,
    pub(super) mtu: u32,
    pub(super) inner_name: &'a str,
    pub(super) inner_mac: Mac,
    pub(super) inner_namespace: BorrowedFd<'a>,
}

impl Netlink {
    /// For the network namespace that this thread is in.
    pub(super) fn open() -> io::Result<Self> {
        let socket = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkRoute)?;
        Ok(Self { socket, sequence: 0 })
    }

    /// The number of a link, if there is one of this name.
    pub(super) fn index_of(&mut self, name: &str) -> io::Result<Option<u32>> {
        let mut message = Message::link(RTM_GETLINK, 0, 0, 0, 0);
        message.text(IFLA_IFNAME, name);
        match self.request(message) {
            Ok(Some(answer)) => {
                Ok(answer.get(20..24).map(|bytes| u32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])))
            }
            Ok(None) => Ok(None),
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) fn add_bridge(&mut self, name: &str, mac: Mac, mtu: u32) -> io::Result<()> {
        let mut message = Message::link(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0, UP, UP);
        message.text(IFLA_IFNAME, name);
        message.attribute(IFLA_ADDRESS, &mac);
        message.number(IFLA_MTU, mtu);
        message.nested(IFLA_LINKINFO, |info| {
            info.text(IFLA_INFO_KIND, "bridge");
            info.nested(IFLA_INFO_DATA, |data| {
                data.number(IFLA_BR_FORWARD_DELAY, 0);
                data.number(IFLA_BR_STP_STATE, 0);
            });
        });
        self.request(message).map(|_| ())
    }

    /// Both ends of the cable, the host's plugged into the bridge as a port
    /// that can't talk to other such ports.
    pub(super) fn add_cable(&mut self, cable: &Cable<'_>) -> io::Result<()> {
        let mut message = Message::link(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0, UP, UP);
        message.text(IFLA_IFNAME, cable.host_name);
        message.number(IFLA_MTU, cable.mtu);
        message.number(IFLA_MASTER, cable.bridge);
        message.nested(IFLA_LINKINFO, |info| {
            info.text(IFLA_INFO_KIND, "veth");
            info.nested(IFLA_INFO_DATA, |data| {
                data.nested(VETH_INFO_PEER, |peer| {
                    peer.bytes.extend_from_slice(&[0; 16]);
                    peer.text(IFLA_IFNAME, cable.inner_name);
                    peer.attribute(IFLA_ADDRESS, &cable.inner_mac);
                    peer.number(IFLA_MTU, cable.mtu);
                    peer.number(IFLA_NET_NS_FD, cable.inner_namespace.as_raw_fd() as u32);
                });
            });
        });
        self.request(message)?;
        match self.index_of(cable.host_name)? {
            Some(port) => self.isolate(port),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// Makes the host's end of a cable an isolated port of the bridge.
    pub(super) fn plug_in(&mut self, port: u32, bridge: u32) -> io::Result<()> {
        let mut message = Message::link(RTM_SETLINK, 0, port, UP, UP);
        message.number(IFLA_MASTER, bridge);
        self.request(message)?;
        self.isolate(port)
    }

    fn isolate(&mut self, port: u32) -> io::Result<()> {
        let mut message = Message::link(RTM_SETLINK, 0, port, 0, 0);
        message.bytes[16] = AF_BRIDGE;
        message.nested(IFLA_PROTINFO, |info| info.attribute(IFLA_BRPORT_ISOLATED, &[1]));
        self.request(message).map(|_| ())
    }

    pub(super) fn set_up(&mut self, index: u32) -> io::Result<()> {
        self.request(Message::link(RTM_SETLINK, 0, index, UP, UP)).map(|_| ())
    }

    /// Removes a link; fine if there is none.
    pub(super) fn delete(&mut self, name: &str) -> io::Result<()> {
        let mut message = Message::link(RTM_DELLINK, 0, 0, 0, 0);
        message.text(IFLA_IFNAME, name);
        match self.request(message) {
            Err(error) if error.raw_os_error() != Some(libc::ENODEV) => Err(error),
            _ => Ok(()),
        }
    }

    pub(super) fn add_address(&mut self, index: u32, address: Ipv4Addr, prefix: u8) -> io::Result<()> {
        let mut message = Message::new(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE);
        message.bytes.extend_from_slice(&[AF_INET, prefix, 0, 0]);
        message.bytes.extend_from_slice(&index.to_ne_bytes());
        message.attribute(IFA_LOCAL, &address.octets());
        message.attribute(IFA_ADDRESS, &address.octets());
        self.request(message).map(|_| ())
    }

    pub(super) fn add_default_route(&mut self, index: u32, gateway: Ipv4Addr) -> io::Result<()> {
        const TABLE_MAIN: u8 = 254;
        const STATIC: u8 = 4;
        const UNICAST: u8 = 1;
        let mut message = Message::new(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE);
        message.bytes.extend_from_slice(&[AF_INET, 0, 0, 0, TABLE_MAIN, STATIC, 0, UNICAST, 0, 0, 0, 0]);
        message.attribute(RTA_GATEWAY, &gateway.octets());
        message.number(RTA_OIF, index);
        self.request(message).map(|_| ())
    }

    /// Fixes which hardware address an IP address has: no question goes out,
    /// and no one else's answer counts.
    pub(super) fn set_neighbour(&mut self, index: u32, address: Ipv4Addr, mac: Mac) -> io::Result<()> {
        let mut message = Message::new(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE);
        message.bytes.extend_from_slice(&[AF_INET, 0, 0, 0]);
        message.bytes.extend_from_slice(&index.to_ne_bytes());
        message.bytes.extend_from_slice(&NUD_PERMANENT.to_ne_bytes());
        message.bytes.extend_from_slice(&[0, 0]);
        message.attribute(NDA_DST, &address.octets());
        message.attribute(NDA_LLADDR, &mac);
        self.request(message).map(|_| ())
    }

    /// Sends and waits for the kernel's word; an answer with data is returned
    /// whole, header included.
    fn request(&mut self, message: Message) -> io::Result<Option<Vec<u8>>> {
        self.sequence += 1;
        let bytes = message.finish(self.sequence);
        send(self.socket.as_raw_fd(), &bytes, MsgFlags::empty())?;
        let mut buffer = vec![0; 32 * 1024];
        let mut answer = None;
        loop {
            let length = recv(self.socket.as_raw_fd(), &mut buffer, MsgFlags::empty())?;
            let mut rest = &buffer[..length];
            while let Some((head, _)) = rest.split_first_chunk::<16>() {
                let size = u32::from_ne_bytes([head[0], head[1], head[2], head[3]]) as usize;
                let kind = u16::from_ne_bytes([head[4], head[5]]);
                let sequence = u32::from_ne_bytes([head[8], head[9], head[10], head[11]]);
                if size < 16 || size > rest.len() {
                    return Err(io::ErrorKind::InvalidData.into());
                }
                if sequence == self.sequence {
                    if kind != NLMSG_ERROR {
                        answer = Some(rest[..size].to_vec());
                    } else if let Some(code) = rest.get(16..20) {
                        return match i32::from_ne_bytes([code[0], code[1], code[2], code[3]]) {
                            0 => Ok(answer),
                            code => Err(io::Error::from_raw_os_error(-code)),
                        };
                    }
                }
                rest = &rest[size.next_multiple_of(4).min(rest.len())..];
            }
        }
    }
}

struct Message {
    bytes: Vec<u8>,
}

impl Message {
    fn new(kind: u16, flags: u16) -> Self {
        let mut bytes = vec![0; 16];
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        bytes[6..8].copy_from_slice(&(flags | NLM_F_REQUEST | NLM_F_ACK).to_ne_bytes());
        Self { bytes }
    }

    fn link(kind: u16, flags: u16, index: u32, set: u32, change: u32) -> Self {
        let mut message = Self::new(kind, flags);
        message.bytes.extend_from_slice(&[0; 4]);
        for number in [index, set, change] {
            message.bytes.extend_from_slice(&number.to_ne_bytes());
        }
        message
    }

    fn attribute(&mut self, kind: u16, payload: &[u8]) {
        let length = (4 + payload.len()) as u16;
        self.bytes.extend_from_slice(&length.to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(payload);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    fn number(&mut self, kind: u16, number: u32) {
        self.attribute(kind, &number.to_ne_bytes());
    }

    fn text(&mut self, kind: u16, text: &str) {
        let mut payload = text.as_bytes().to_vec();
        payload.push(0);
        self.attribute(kind, &payload);
    }

    fn nested(&mut self, kind: u16, fill: impl FnOnce(&mut Self)) {
        let start = self.bytes.len();
        self.attribute(kind | NLA_F_NESTED, &[]);
        fill(self);
        let length = (self.bytes.len() - start) as u16;
        self.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes());
    }

    fn finish(mut self, sequence: u32) -> Vec<u8> {
        let length = self.bytes.len() as u32;
        self.bytes[..4].copy_from_slice(&length.to_ne_bytes());
        self.bytes[8..12].copy_from_slice(&sequence.to_ne_bytes());
        self.bytes
    }
}
