//! What dynos do, and what follows from it.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use runtime::Stream;

use super::Keeper;
use crate::keeper::dyno::Deadline;
use crate::wire::{Answer, Refusal, RefusalKind};

/// A dyno whose attached client is gone gets SIGHUP, after this SIGTERM, and
/// after the usual grace SIGKILL.
const HANG_UP_WAIT: Duration = Duration::from_secs(5);
pub(super) const HANG_UP_GRACE: Duration = Duration::from_secs(30);

impl Keeper {
    pub(super) fn read_output(&mut self, number: u64, stream: Stream) {
        let Some(dyno) = self.dynos.get_mut(&number) else { return };
        dyno.read_output(stream, &mut self.buffer);
        self.unsent.insert(number);
    }

    pub(super) fn read_status(&mut self, number: u64) {
        let Some(dyno) = self.dynos.get_mut(&number) else { return };
        if !dyno.read_status()
            && let Some(process) = &dyno.process
        {
            // The pidfd tells of the end that follows; this socket would only repeat itself.
            let _ = self.epoll.delete(&process.status);
        }
        self.answer_if_ready(number);
    }

    pub(super) fn answer_if_ready(&mut self, number: u64) {
        let Some(dyno) = self.dynos.get_mut(&number) else { return };
        if dyno.ready
            && let Some((connection, id)) = dyno.starting.take()
        {
            let descriptors = dyno.terminal.take().into_iter().collect();
            let pid = dyno.known().pid;
            self.reply(connection, id, Ok(Answer::Started(pid)), descriptors);
        }
    }

    pub(super) fn reap(&mut self, number: u64) {
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
                let _ = self.epoll.delete(fd);
            }
        }
        self.clear_deadline(number);
        // It may have run and ended before its first report was read.
        self.answer_if_ready(number);
        self.unsent.insert(number);
        let Some(dyno) = self.dynos.get_mut(&number) else { return };
        let Some((connection, id)) = dyno.starting.take() else { return self.forget_if_gone(number) };
        let (what, code) = failed.unwrap_or_else(|| ("its first process died while it was made".to_owned(), None));
        if self.connections.contains_key(&connection) {
            self.reply(connection, id, Err(Refusal { kind: RefusalKind::Failed, what, code }), Vec::new());
            self.forget(number);
        } else {
            // The server that asked is gone, and the next one may have seen it in the list: it is told of an exit.
            self.forget_if_gone(number);
        }
    }

    /// Its client is gone: hang-up, then the usual stop.
    pub(super) fn hang_up(&mut self, number: u64) {
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

    pub(super) fn forget_if_gone(&mut self, number: u64) {
        if self.dynos.get(&number).is_some_and(|dyno| !dyno.forgetting.is_empty() && dyno.process.is_none()) {
            self.forget(number);
        }
    }

    pub(super) fn forget(&mut self, number: u64) {
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
}
