//! The keeper's loop: one wait for everything, then one step per event.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use domain::DynoId;
use jiff::Timestamp;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::signal::Signal;
use nix::sys::socket::{getsockopt, sockopt};
use runtime::Stream;

use super::connection::Connection;
use super::dyno::{Deadline, Dyno};
use super::output::Next;
use super::spawn::{self, Received};
use crate::paths::Paths;
use crate::seccomp::Filters;
use crate::wire::{
    Acknowledgement, Answer, Ended, Hello, Notice, Order, PROTOCOL, Plan, Record, Refusal, RefusalKind, Reply, Request,
    Role, Status, Welcome, append_output,
};

/// A dyno whose attached client is gone gets SIGHUP, after this SIGTERM, and
/// after the usual grace SIGKILL.
const HANG_UP_WAIT: Duration = Duration::from_secs(5);
const HANG_UP_GRACE: Duration = Duration::from_secs(30);

/// Output is encoded for the server only as fast as that reads it.
const MOST_WAITING_BYTES: usize = 256 * 1024;

/// Output of one dyno that is sent before it is another's turn.
const TURN_BYTES: usize = 64 * 1024;

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

    // ---- connections

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

    // ---- orders

    fn obey(&mut self, connection: u64, Request { id, order }: Request) -> io::Result<()> {
        match order {
            Order::Start { plan } => {
                let Some(from) = self.connections.get_mut(&connection) else { return Ok(()) };
                let received = Received::take(from, plan.stdio)?;
                if let Err(error) = self.start(&plan, received, (connection, id)) {
                    let refusal =
                        Refusal { kind: RefusalKind::Failed, what: error.to_string(), code: error.raw_os_error() };
                    self.reply(connection, id, Err(refusal), Vec::new());
                }
            }
            Order::Stop { dyno, grace_ms } => match self.numbers.get(&dyno).copied() {
                None => self.refuse_unknown(connection, id),
                Some(number) => {
                    self.stop(number, Duration::from_millis(grace_ms));
                    self.reply(connection, id, Ok(Answer::Done), Vec::new());
                }
            },
            Order::Forget { dyno } => match self.numbers.get(&dyno).copied() {
                None => self.refuse_unknown(connection, id),
                Some(number) => {
                    if let Some(dyno) = self.dynos.get_mut(&number) {
                        dyno.forgetting.push((connection, id));
                        dyno.signal(Signal::SIGKILL);
                    }
                    self.forget_if_gone(number);
                }
            },
            Order::List => {
                let known = self.dynos.values().filter(|dyno| dyno.starting.is_none()).map(Dyno::known).collect();
                self.reply(connection, id, Ok(Answer::Dynos(known)), Vec::new());
            }
            Order::Shutdown { grace_ms } => {
                self.shutdown = Some((connection, id));
                for number in self.dynos.keys().copied().collect::<Vec<_>>() {
                    self.stop(number, Duration::from_millis(grace_ms));
                }
            }
        }
        Ok(())
    }

    fn refuse_unknown(&mut self, connection: u64, id: u64) {
        let refusal = Refusal { kind: RefusalKind::NoSuchDyno, what: String::new(), code: None };
        self.reply(connection, id, Err(refusal), Vec::new());
    }

    /// To a connection that is gone this does nothing.
    fn reply(&mut self, connection: u64, id: u64, result: Result<Answer, Refusal>, descriptors: Vec<OwnedFd>) {
        if let Some(to) = self.connections.get_mut(&connection)
            && let Err(error) = to.send_json(&Reply { id, descriptors: descriptors.len(), result }, descriptors)
        {
            eprintln!("could not answer: {error}");
        }
    }

    fn start(&mut self, plan: &Plan, received: Received, asked_by: (u64, u64)) -> io::Result<()> {
        let record = plan.record.clone();
        if self.numbers.contains_key(&record.id) || self.shutdown.is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let userns = match self.user_namespaces.get(&record.slot) {
            Some(made) => made.try_clone()?,
            None => {
                let made = spawn::user_namespace(plan.first_id)?;
                let copy = made.try_clone()?;
                self.user_namespaces.insert(record.slot, made);
                copy
            }
        };
        let file = self.paths.record(record.id);
        let mut dyno = Dyno::new(Record { started_at: Timestamp::now(), ..record }, file, received.netns.try_clone()?);
        dyno.write_record()?;
        dyno.starting = Some(asked_by);
        let process = match spawn::spawn(plan, received, userns, &self.filters) {
            Ok(process) => process,
            Err(error) => {
                dyno.remove_record()?;
                return Err(error);
            }
        };
        let number = self.next_number;
        let readable = |source: Source| EpollEvent::new(EpollFlags::EPOLLIN, source.data(number));
        self.epoll.add(&process.pidfd, readable(Source::Process))?;
        self.epoll.add(&process.status, readable(Source::Status))?;
        if let Some(stdout) = &process.stdout {
            self.epoll.add(stdout, readable(Source::Stdout))?;
        }
        if let Some(stderr) = &process.stderr {
            self.epoll.add(stderr, readable(Source::Stderr))?;
        }
        if let Some(lifeline) = &process.lifeline {
            self.epoll.add(lifeline, readable(Source::Lifeline))?;
        }
        dyno.process = Some(process);
        self.insert(dyno);
        Ok(())
    }

    /// SIGTERM now and SIGKILL after the grace; the earliest deadline counts.
    fn stop(&mut self, number: u64, grace: Duration) {
        let Some(dyno) = self.dynos.get_mut(&number) else { return };
        if dyno.exit.is_some() {
            return;
        }
        dyno.signal(Signal::SIGTERM);
        let at = Instant::now() + grace;
        match dyno.deadline {
            Some((earlier, Deadline::Kill)) if earlier <= at => {}
            _ => self.set_deadline(number, at, Deadline::Kill),
        }
    }

    fn set_deadline(&mut self, number: u64, at: Instant, deadline: Deadline) {
        self.clear_deadline(number);
        if let Some(dyno) = self.dynos.get_mut(&number) {
            dyno.deadline = Some((at, deadline));
            self.deadlines.insert((at, number));
        }
    }

    fn clear_deadline(&mut self, number: u64) {
        if let Some((at, _)) = self.dynos.get_mut(&number).and_then(|dyno| dyno.deadline.take()) {
            self.deadlines.remove(&(at, number));
        }
    }

    fn act_on_overdue(&mut self) {
        let now = Instant::now();
        while let Some((at, number)) = self.deadlines.first().copied()
            && at <= now
        {
            self.deadlines.pop_first();
            let Some(dyno) = self.dynos.get_mut(&number) else { continue };
            match dyno.deadline.take() {
                Some((_, Deadline::Terminate)) => self.stop(number, HANG_UP_GRACE),
                Some((_, Deadline::Kill)) => dyno.signal(Signal::SIGKILL),
                None => {}
            }
        }
    }

    // ---- dynos

    fn read_output(&mut self, number: u64, stream: Stream) {
        let Some(dyno) = self.dynos.get_mut(&number) else { return };
        dyno.read_output(stream, &mut self.buffer);
        self.unsent.insert(number);
    }

    fn read_status(&mut self, number: u64) {
        let Some(dyno) = self.dynos.get_mut(&number) else { return };
        if !dyno.read_status()
            && let Some(process) = &dyno.process
        {
            // The pidfd tells of the end that follows; this socket would only repeat itself.
            let _ = self.epoll.delete(&process.status);
        }
        self.answer_if_ready(number);
    }

    fn answer_if_ready(&mut self, number: u64) {
        let Some(dyno) = self.dynos.get_mut(&number) else { return };
        if dyno.ready
            && let Some((connection, id)) = dyno.starting.take()
        {
            let descriptors = dyno.terminal.take().into_iter().collect();
            let pid = dyno.known().pid;
            self.reply(connection, id, Ok(Answer::Started(pid)), descriptors);
        }
    }

    fn reap(&mut self, number: u64) {
        let Some(dyno) = self.dynos.get_mut(&number) else { return };
        match dyno.reap(&mut self.buffer) {
            Ok(false) => return,
            Ok(true) => {}
            Err(error) => {
                eprintln!("dyno {}: could not reap it: {error}", dyno.record.id);
                return;
            }
        }
        let mut failed = None;
        if let Some(mut process) = dyno.process.take() {
            failed = process.failed.take();
            for fd in [&process.pidfd, &process.status].into_iter().chain(&process.lifeline) {
                let _ = self.epoll.delete(fd.as_fd());
            }
        }
        self.clear_deadline(number);
        // It may have run and ended before its first report was read.
        self.answer_if_ready(number);
        self.unsent.insert(number);
        let Some(dyno) = self.dynos.get_mut(&number) else { return };
        if let Some((connection, id)) = dyno.starting.take() {
            let (what, code) = failed.unwrap_or_else(|| ("its first process died while it was made".to_owned(), None));
            let refusal = Refusal { kind: RefusalKind::Failed, what, code };
            self.reply(connection, id, Err(refusal), Vec::new());
            self.forget(number);
        } else {
            self.forget_if_gone(number);
        }
    }

    /// Its client is gone: hang-up, then the usual stop.
    fn hang_up(&mut self, number: u64) {
        let Some(dyno) = self.dynos.get_mut(&number) else { return };
        if let Some(process) = &mut dyno.process
            && let Some(lifeline) = process.lifeline.take()
        {
            let _ = self.epoll.delete(&lifeline);
            dyno.signal(Signal::SIGHUP);
            if dyno.deadline.is_none() {
                self.set_deadline(number, Instant::now() + HANG_UP_WAIT, Deadline::Terminate);
            }
        }
    }

    fn forget_if_gone(&mut self, number: u64) {
        if self.dynos.get(&number).is_some_and(|dyno| !dyno.forgetting.is_empty() && dyno.process.is_none()) {
            self.forget(number);
        }
    }

    fn forget(&mut self, number: u64) {
        let Some(mut dyno) = self.dynos.remove(&number) else { return };
        self.numbers.remove(&dyno.record.id);
        self.unsent.remove(&number);
        if let Err(error) = dyno.remove_record() {
            eprintln!("dyno {}: could not remove its record: {error}", dyno.record.id);
        }
        for (connection, id) in std::mem::take(&mut dyno.forgetting) {
            self.reply(connection, id, Ok(Answer::Done), dyno.netns.take().into_iter().collect());
        }
    }

    // ---- sending

    fn flush_all(&mut self) {
        self.encode_output();
        let mut broken = Vec::new();
        for (number, connection) in &mut self.connections {
            let waited = connection.waiting_bytes() > 0;
            if connection.flush().is_err() {
                broken.push(*number);
                continue;
            }
            let waits = connection.waiting_bytes() > 0 || (self.events == Some(*number) && !self.unsent.is_empty());
            if waited || waits {
                let interest = if waits { EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT } else { EpollFlags::EPOLLIN };
                let mut event = EpollEvent::new(interest, Source::Connection.data(*number));
                if let Err(error) = self.epoll.modify(&connection.socket, &mut event) {
                    eprintln!("could not watch a connection: {error}");
                    broken.push(*number);
                }
            }
        }
        for number in broken {
            self.close(number);
        }
    }

    /// Takes turns among the dynos that have something to say.
    fn encode_output(&mut self) {
        let Some(events) = self.events else { return };
        let Some(connection) = self.connections.get_mut(&events) else { return };
        while connection.waiting_bytes() < MOST_WAITING_BYTES {
            let next = self.unsent.range(self.last_turn + 1..).next().or_else(|| self.unsent.first()).copied();
            let Some(number) = next else { return };
            self.last_turn = number;
            let Some(dyno) = self.dynos.get_mut(&number) else {
                self.unsent.remove(&number);
                continue;
            };
            let mut bytes = Vec::new();
            if let Err(error) = encode_turn(dyno, &mut bytes) {
                eprintln!("dyno {}: could not encode its output: {error}", dyno.record.id);
            }
            if !dyno.has_more() {
                self.unsent.remove(&number);
            }
            if !bytes.is_empty() {
                connection.send(bytes, Vec::new());
            }
        }
    }

    fn has_shut_down(&mut self) -> bool {
        let Some((connection, id)) = self.shutdown else { return false };
        if self.dynos.values().any(|dyno| dyno.process.is_some()) {
            return false;
        }
        self.reply(connection, id, Ok(Answer::Done), Vec::new());
        if let Some(connection) = self.events.and_then(|number| self.connections.get_mut(&number)) {
            let mut bytes = Vec::new();
            if Notice::Goodbye.append_to(&mut bytes).is_ok() {
                connection.send(bytes, Vec::new());
            }
        }
        // Short messages into sockets that are read: what does not fit now is not waited for.
        for connection in self.connections.values_mut() {
            let _ = connection.flush();
        }
        true
    }
}

fn encode_turn(dyno: &mut Dyno, bytes: &mut Vec<u8>) -> io::Result<()> {
    let id = dyno.record.id;
    while bytes.len() < TURN_BYTES {
        match dyno.queue.next() {
            Some(Next::Output(entry)) => {
                append_output(bytes, id, entry.sequence, entry.stream, entry.at, &entry.bytes);
            }
            Some(Next::Lost { sequence, bytes: lost }) => {
                Notice::Lost { dyno: id, sequence, bytes: lost }.append_to(bytes)?;
            }
            None => {
                if let (Some(ended), false) = (dyno.exit, dyno.exit_sent) {
                    dyno.exit_sent = true;
                    return Notice::Exited { dyno: id, ended }.append_to(bytes);
                }
                return Ok(());
            }
        }
    }
    Ok(())
}
