//! What servers ask the keeper to do.

use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use nix::sys::epoll::{EpollEvent, EpollFlags};
use nix::sys::signal::Signal;

use super::{HANG_UP_GRACE, Keeper, Source};
use crate::keeper::dyno::{Deadline, Dyno};
use crate::keeper::spawn::{self, Received};
use crate::sys::process::user_namespace;
use crate::wire::{Answer, Order, Plan, Record, Refusal, RefusalKind, Reply, Request};

impl Keeper {
    pub(super) fn obey(&mut self, connection: u64, Request { id, order }: Request) -> io::Result<()> {
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
                let known = self.dynos.values().map(Dyno::known).collect();
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

    pub(super) fn refuse_unknown(&mut self, connection: u64, id: u64) {
        let refusal = Refusal { kind: RefusalKind::NoSuchDyno, what: String::new(), code: None };
        self.reply(connection, id, Err(refusal), Vec::new());
    }

    /// To a connection that is gone this does nothing.
    pub(super) fn reply(
        &mut self,
        connection: u64,
        id: u64,
        result: Result<Answer, Refusal>,
        descriptors: Vec<OwnedFd>,
    ) {
        if let Some(to) = self.connections.get_mut(&connection)
            && let Err(error) = to.send_json(&Reply { id, descriptors: descriptors.len(), result }, descriptors)
        {
            eprintln!("could not answer: {error}");
        }
    }

    pub(super) fn start(&mut self, plan: &Plan, received: Received, asked_by: (u64, u64)) -> io::Result<()> {
        let record = plan.record.clone();
        if self.numbers.contains_key(&record.id) || self.shutdown.is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let userns = match self.user_namespaces.get(&record.slot) {
            Some(made) => made.try_clone()?,
            None => {
                let made = user_namespace(plan.first_id)?;
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
    pub(super) fn stop(&mut self, number: u64, grace: Duration) {
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

    pub(super) fn set_deadline(&mut self, number: u64, at: Instant, deadline: Deadline) {
        self.clear_deadline(number);
        if let Some(dyno) = self.dynos.get_mut(&number) {
            dyno.deadline = Some((at, deadline));
            self.deadlines.insert((at, number));
        }
    }

    pub(super) fn clear_deadline(&mut self, number: u64) {
        if let Some((at, _)) = self.dynos.get_mut(&number).and_then(|dyno| dyno.deadline.take()) {
            self.deadlines.remove(&(at, number));
        }
    }

    pub(super) fn act_on_overdue(&mut self) {
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
}
