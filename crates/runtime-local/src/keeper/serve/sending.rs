//! What the keeper tells, as fast as it is read.

use std::io;

use nix::sys::epoll::{EpollEvent, EpollFlags};

use super::{Keeper, Source};
use crate::keeper::dyno::Dyno;
use crate::keeper::output::Next;
use crate::wire::{Answer, Notice, append_output};

/// Output is encoded for the server only as fast as that reads it.
const MOST_WAITING_BYTES: usize = 256 * 1024;

/// Output of one dyno that is sent before it is another's turn.
const TURN_BYTES: usize = 64 * 1024;

impl Keeper {
    pub(super) fn flush_all(&mut self) {
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
    pub(super) fn encode_output(&mut self) {
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

    pub(super) fn has_shut_down(&mut self) -> bool {
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
