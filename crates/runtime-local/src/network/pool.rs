//! Network namespaces, made ahead of need.
//!
//! One thread makes them, since a thread must enter a namespace to configure
//! it. Those of removed dynos are used again, the longest unused first, so
//! that a connection that lingers somewhere does not meet another app at once.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use nix::sched::{CloneFlags, setns, unshare};
use tokio::sync::oneshot;

use super::netlink::{Cable, Netlink};
use super::subnet::{PREFIX, SLOTS, Subnet};
use super::{mac, set_sysctl};
use crate::paths::Paths;

/// A place for one dyno: its number and its network.
pub(crate) struct Sandbox {
    pub(crate) slot: u16,
    pub(crate) address: Ipv4Addr,
    pub(crate) netns: OwnedFd,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum TakeError {
    #[error("all {limit} networks are in use")]
    Full { limit: usize },
    #[error("could not make a network")]
    Make(#[from] io::Error),
    #[error("the thread that makes networks is gone")]
    Gone,
}

/// Whom to give the next one; `None`: it is to be kept ready.
type MakeOrder = Option<oneshot::Sender<Result<Sandbox, TakeError>>>;

pub(crate) struct Pool {
    shared: Arc<Shared>,
    orders: Option<Sender<MakeOrder>>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    /// So many are held ready.
    spare: usize,
}

struct State {
    used: Vec<bool>,
    next: u16,
    ready: VecDeque<Sandbox>,
}

/// More of them are not kept for reuse.
const MOST_KEPT: usize = 32;

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take_slot(&mut self) -> Option<u16> {
        let slot =
            (0..SLOTS).map(|further| (self.next + further) % SLOTS).find(|slot| !self.used[usize::from(*slot)])?;
        self.used[usize::from(slot)] = true;
        self.next = (slot + 1) % SLOTS;
        Some(slot)
    }
}

impl Pool {
    /// `used`: slots of dynos that exist already.
    pub(crate) fn open(paths: &Paths, subnet: Subnet, used: &[u16], spare: usize) -> io::Result<Self> {
        let mut state = State { used: vec![false; usize::from(SLOTS)], next: 0, ready: VecDeque::new() };
        for slot in used {
            if let Some(taken) = state.used.get_mut(usize::from(*slot)) {
                *taken = true;
            }
            state.next = state.next.max((slot + 1) % SLOTS);
        }
        let shared = Arc::new(Shared { state: Mutex::new(state), spare });
        let (orders, incoming) = channel();
        let maker = Maker::open(paths.clone(), subnet)?;
        let of_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("networks".to_owned()).spawn(move || {
            maker.run(&of_thread, &incoming);
        })?;
        let pool = Self { shared, orders: Some(orders), thread: Some(thread) };
        for _ in 0..spare {
            pool.order(None);
        }
        Ok(pool)
    }

    fn order(&self, reply: MakeOrder) {
        if let Some(orders) = &self.orders {
            // A thread that is gone drops the reply, and whoever waits for it learns.
            let _ = orders.send(reply);
        }
    }

    /// One that is ready, or else a new one.
    pub(crate) async fn take(&self) -> Result<Sandbox, TakeError> {
        let ready = self.shared.state().ready.pop_front();
        if let Some(sandbox) = ready {
            self.order(None);
            return Ok(sandbox);
        }
        let (reply, made) = oneshot::channel();
        self.order(Some(reply));
        made.await.map_err(|_| TakeError::Gone)?
    }

    /// Of a dyno that is gone: its namespace, if it can be used again.
    pub(crate) fn put_back(&self, slot: u16, address: Ipv4Addr, netns: Option<OwnedFd>) {
        let mut state = self.shared.state();
        match netns {
            Some(netns) if state.ready.len() < MOST_KEPT => state.ready.push_back(Sandbox { slot, address, netns }),
            _ => {
                if let Some(used) = state.used.get_mut(usize::from(slot)) {
                    *used = false;
                }
            }
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            // It ends with the channel; a panic in it has been printed.
            let _ = thread.join();
        }
    }
}

/// The thread's own.
struct Maker {
    paths: Paths,
    subnet: Subnet,
    host_namespace: File,
    host: Netlink,
    mtu: u32,
}

impl Maker {
    fn open(paths: Paths, subnet: Subnet) -> io::Result<Self> {
        let host_namespace = File::open("/proc/thread-self/ns/net")?;
        Ok(Self { paths, subnet, host_namespace, host: Netlink::open()?, mtu: super::uplink_mtu() })
    }

    fn run(mut self, shared: &Shared, orders: &Receiver<MakeOrder>) {
        while let Ok(order) = orders.recv() {
            match order {
                Some(reply) => {
                    let ready = shared.state().ready.pop_front();
                    let made = ready.map_or_else(|| self.make(shared), Ok);
                    if let Err(Ok(unwanted)) = reply.send(made) {
                        shared.state().ready.push_back(unwanted);
                    }
                }
                None if shared.state().ready.len() >= shared.spare => {}
                None => match self.make(shared) {
                    Ok(sandbox) => shared.state().ready.push_back(sandbox),
                    // Told to the one who needs it, once there is one.
                    Err(error) => tracing::warn!("Could not make a network ahead: {error}"),
                },
            }
        }
    }

    fn make(&mut self, shared: &Shared) -> Result<Sandbox, TakeError> {
        let Some(slot) = shared.state().take_slot() else {
            return Err(TakeError::Full { limit: usize::from(SLOTS) });
        };
        self.make_in(slot).map_err(|error| {
            if let Some(used) = shared.state().used.get_mut(usize::from(slot)) {
                *used = false;
            }
            TakeError::Make(error)
        })
    }

    fn make_in(&mut self, slot: u16) -> io::Result<Sandbox> {
        let address = self.subnet.dyno(slot);
        unshare(CloneFlags::CLONE_NEWNET)?;
        let inside = self.enter_new().and_then(|(netns, inner)| self.connect(slot, address, netns, inner));
        setns(&self.host_namespace, CloneFlags::CLONE_NEWNET)?;
        Ok(Sandbox { slot, address, netns: inside? })
    }

    fn enter_new(&self) -> io::Result<(OwnedFd, Netlink)> {
        Ok((File::open("/proc/thread-self/ns/net")?.into(), Netlink::open()?))
    }

    /// This thread is inside the new namespace; `self.host` speaks for the host.
    fn connect(&mut self, slot: u16, address: Ipv4Addr, netns: OwnedFd, mut inner: Netlink) -> io::Result<OwnedFd> {
        const INNER_NAME: &str = "eth0";
        let gateway = self.subnet.gateway();
        let name = self.paths.link(slot);
        let Some(bridge) = self.host.index_of(&self.paths.bridge())? else {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the dynos' bridge is gone"));
        };
        let cable = Cable {
            host_name: &name,
            bridge,
            mtu: self.mtu,
            inner_name: INNER_NAME,
            inner_mac: mac(address),
            inner_namespace: netns.as_fd(),
        };
        if let Err(error) = self.host.add_cable(&cable) {
            if error.raw_os_error() != Some(libc::EEXIST) {
                return Err(error);
            }
            // Of a namespace that the kernel has not quite removed yet, or left by a crash.
            self.host.delete(&name)?;
            self.host.add_cable(&cable)?;
        }
        self.host.set_neighbour(bridge, address, mac(address))?;

        let Some(eth) = inner.index_of(INNER_NAME)? else { return Err(io::ErrorKind::NotFound.into()) };
        let Some(lo) = inner.index_of("lo")? else { return Err(io::ErrorKind::NotFound.into()) };
        inner.set_up(lo)?;
        set_sysctl(&format!("/proc/sys/net/ipv6/conf/{INNER_NAME}/disable_ipv6"), "1")?;
        inner.set_up(eth)?;
        inner.add_address(eth, address, PREFIX)?;
        inner.add_default_route(eth, gateway)?;
        inner.set_neighbour(eth, gateway, mac(gateway))?;
        // As in other containers: low ports and ping need no privilege.
        for (setting, value) in [("ip_unprivileged_port_start", "0"), ("ping_group_range", "0 4294967294")] {
            fs::write(format!("/proc/sys/net/ipv4/{setting}"), value)?;
        }
        Ok(netns)
    }
}
