//! Whether a dyno listens on a port, without connecting to it.

mod diag;
mod tables;

use std::fs::{self, File};
use std::net::Ipv4Addr;

use domain::DynoId;
use runtime::Listening;

use diag::Diag;

/// Looks at the sockets of one dyno, as often as asked.
#[derive(Debug)]
pub(crate) struct Probe {
    pid: i32,
    address: Ipv4Addr,
    /// Where the kernel can be asked for one socket: a look costs microseconds.
    diag: Option<Diag>,
}

impl Probe {
    /// For the dyno whose pid 1 has this number on the host, and this address.
    /// `None`: it has ended. Blocks for a moment.
    pub(crate) fn open(pid: i32, dyno: DynoId, address: Ipv4Addr) -> Option<Self> {
        if pid == 0 {
            return None;
        }
        let network = File::open(format!("/proc/{pid}/ns/net")).ok()?;
        // The number may be another process's by now: the cgroup tells.
        let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
        if !groups.contains(&dyno.to_string()) {
            return None;
        }
        let diag = if diag::works() { diag::in_namespace(&network) } else { None };
        Some(Self { pid, address, diag })
    }

    /// A dyno that is gone listens on nothing.
    pub(crate) fn look(&self, port: u16) -> Listening {
        let asked = self.diag.as_ref().and_then(|diag| diag.look(self.address, port).ok());
        asked.unwrap_or_else(|| tables::of_process(self.pid, port))
    }
}
