//! The keeper's loop: one wait for everything, then one step per event.

mod dynos;
mod orders;
mod sending;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use domain::DynoId;
use jiff::Timestamp;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::socket::{getsockopt, sockopt};
use runtime::Stream;

use dynos::HANG_UP_GRACE;

use super::connection::Connection;
use super::dyno::Dyno;
use crate::paths::Paths;
use crate::seccomp::Filters;
use crate::wire::{Acknowledgement, Ended, Hello, PROTOCOL, Record, Role, Status, Welcome};

pub(super) struct Keeper {
    paths: Paths,
    epoll: Epoll,
    listener: UnixListener,
    filters: Filters,
    connections: HashMap<u64, Connection>,
    /// The connection that output goes to.
    events: Option<u64>,
    dynos: BTreeMap<u64, Dyno>,
    numbers: HashMap<DynoId, u64>,
    deadlines: BTreeSet<(Instant, u64)>,
    /// Dynos with something to send, and whose turn it was last.
    unsent: BTreeSet<u64>,
    last_turn: u64,
    /// By slot; made once and used by one dyno after the other.
    user_namespaces: HashMap<u16, OwnedFd>,
    shutdown: Option<(u64, u64)>,
    next_number: u64,
    buffer: Vec<u8>,
}

/// What an event is about, in the low bits of its data; the number of the
/// connection or dyno lies above.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Listener,
    Connection,
    Stdout,
    Stderr,
    Status,
    Process,
    Lifeline,
}

impl Source {
    const ALL: [Self; 7] =
        [Self::Listener, Self::Connection, Self::Stdout, Self::Stderr, Self::Status, Self::Process, Self::Lifeline];

    fn data(self, number: u64) -> u64 {
        number << 4 | self as u64
    }

    fn of(data: u64) -> Option<(Self, u64)> {
        Some((*Self::ALL.get((data & 15) as usize)?, data >> 4))
    }
}

impl Keeper {
    pub(super) fn new(paths: Paths, listener: UnixListener, filters: Filters) -> io::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        epoll.add(&listener, EpollEvent::new(EpollFlags::EPOLLIN, Source::Listener.data(0)))?;
        let mut keeper = Self {
            paths,
            epoll,
            listener,
            filters,
            connections: HashMap::new(),
            events: None,
            dynos: BTreeMap::new(),
            numbers: HashMap::new(),
            deadlines: BTreeSet::new(),
            unsent: BTreeSet::new(),
            last_turn: 0,
            user_namespaces: HashMap::new(),
            shutdown: None,
            next_number: 1,
            buffer: vec![0; 64 * 1024],
        };
        keeper.take_over_records()?;
        Ok(keeper)
    }

    /// Dynos of an earlier keeper died with it; they are reported as ended.
    fn take_over_records(&mut self) -> io::Result<()> {
        for entry in std::fs::read_dir(self.paths.dynos())? {
            let file = entry?.path().join("spec.json");
            let record: Record = match std::fs::read(&file) {
                Ok(bytes) => match serde_json::from_slice(&bytes) {
                    Ok(record) => record,
                    Err(error) => {
                        eprintln!("{}: {error}", file.display());
                        continue;
                    }
                },
                Err(_) => continue,
            };
            let ended = Ended { at: Timestamp::now(), status: Status::Unknown, out_of_memory: false };
            self.insert(Dyno::orphan(record, file, Some(ended)));
        }
        Ok(())
    }

    fn insert(&mut self, dyno: Dyno) -> u64 {
        let number = self.next_number;
        self.next_number += 1;
        self.numbers.insert(dyno.record.id, number);
        self.dynos.insert(number, dyno);
        number
    }

    /// Until `down` ends it.
    pub(super) fn run(mut self) -> io::Result<()> {
        let mut events = vec![EpollEvent::empty(); 256];
        loop {
            let timeout = match self.deadlines.first() {
                None => EpollTimeout::NONE,
                Some((at, _)) => {
                    let wait = at.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
                    EpollTimeout::try_from(wait).unwrap_or(EpollTimeout::MAX)
                }
            };
            let ready = match self.epoll.wait(&mut events, timeout) {
                Err(nix::errno::Errno::EINTR) => 0,
                other => other?,
            };
            for event in &events[..ready] {
                if let Some((source, number)) = Source::of(event.data()) {
                    self.handle(source, number);
                }
            }
            self.act_on_overdue();
            self.flush_all();
            if self.has_shut_down() {
                return Ok(());
            }
        }
    }

    fn handle(&mut self, source: Source, number: u64) {
        match source {
            Source::Listener => self.accept(),
            Source::Connection => {
                if let Err(error) = self.receive(number) {
                    if error.kind() != io::ErrorKind::ConnectionReset {
                        eprintln!("connection closed: {error}");
                    }
                    self.close(number);
                }
            }
            Source::Stdout => self.read_output(number, Stream::Stdout),
            Source::Stderr => self.read_output(number, Stream::Stderr),
            Source::Status => self.read_status(number),
            Source::Process => self.reap(number),
            Source::Lifeline => self.hang_up(number),
        }
    }

    fn accept(&mut self) {
        let accepted = self.listener.accept().and_then(|(socket, _)| {
            if getsockopt(&socket, sockopt::PeerCredentials)?.uid() != 0 {
                return Err(io::ErrorKind::PermissionDenied.into());
            }
            let number = self.next_number;
            self.next_number += 1;
            self.epoll.add(&socket, EpollEvent::new(EpollFlags::EPOLLIN, Source::Connection.data(number)))?;
            self.connections.insert(number, Connection::new(socket)?);
            Ok(())
        });
        match accepted {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => eprintln!("could not accept: {error}"),
            _ => {}
        }
    }

    fn close(&mut self, number: u64) {
        if let Some(connection) = self.connections.remove(&number) {
            // Closing does the same, unless a child that was just cloned holds the socket for a moment.
            let _ = self.epoll.delete(&connection.socket);
        }
        if self.events == Some(number) {
            self.events = None;
        }
    }

    fn receive(&mut self, number: u64) -> io::Result<()> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let open = match self.connections.get_mut(&number) {
            None => Ok(false),
            Some(connection) => connection.fill(&mut buffer),
        };
        self.buffer = buffer;
        if !open? {
            self.close(number);
            return Ok(());
        }
        while let Some(connection) = self.connections.get_mut(&number) {
            let Some(frame) = connection.frame()? else { return Ok(()) };
            if self.events == Some(number) {
                let acknowledged = Acknowledgement::from_body(&frame)?;
                if let Some(dyno) = self.numbers.get(&acknowledged.dyno).and_then(|at| self.dynos.get_mut(at)) {
                    dyno.queue.acknowledge(acknowledged.sequence);
                }
            } else if let Ok(hello) = serde_json::from_slice::<Hello>(&frame) {
                connection.send_json(&Welcome { protocol: PROTOCOL, pid: std::process::id() }, Vec::new())?;
                if hello.role == Role::Events && hello.protocol == PROTOCOL {
                    self.take_events(number);
                }
            } else {
                self.obey(number, serde_json::from_slice(&frame)?)?;
            }
        }
        Ok(())
    }

    /// From now on output goes to this connection, and all that no server has
    /// taken in goes there again.
    fn take_events(&mut self, number: u64) {
        if let Some(old) = self.events.replace(number) {
            self.connections.remove(&old);
        }
        for (number, dyno) in &mut self.dynos {
            dyno.queue.restart();
            dyno.exit_sent = false;
            self.unsent.insert(*number);
        }
    }
}
