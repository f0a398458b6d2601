//! A dyno's output between the dyno and the server: kept until the server has
//! taken it in, within a bound.
//!
//! When the bound is passed the oldest goes first: after a long absence of the
//! server the last words of a dyno matter more than its first. What went is
//! counted and reported at its place. The dyno itself never waits.

use std::collections::VecDeque;

use jiff::Timestamp;
use runtime::Stream;

/// Output held per dyno, bookkeeping included.
const LIMIT_BYTES: usize = 1024 * 1024;
const ENTRY_OVERHEAD_BYTES: usize = 64;

pub(crate) struct Entry {
    pub(crate) sequence: u64,
    pub(crate) stream: Stream,
    pub(crate) at: Timestamp,
    pub(crate) bytes: Box<[u8]>,
}

impl Entry {
    fn cost(&self) -> usize {
        self.bytes.len() + ENTRY_OVERHEAD_BYTES
    }
}

/// What is to be sent next.
pub(crate) enum Next<'a> {
    Lost { sequence: u64, bytes: u64 },
    Output(&'a Entry),
}

#[derive(Default)]
pub(crate) struct Queue {
    entries: VecDeque<Entry>,
    /// So many of the first entries have been sent on this connection.
    sent: usize,
    held_bytes: usize,
    last_sequence: u64,
    /// Bytes dropped that no server knows of, and the sequence number of the
    /// last entry among them.
    lost: u64,
    lost_sequence: u64,
    /// Sent on this connection and not held any more (sequence number, bytes):
    /// lost after all if the connection ends before they are acknowledged.
    at_risk: VecDeque<(u64, u64)>,
}

impl Queue {
    pub(crate) fn push(&mut self, stream: Stream, at: Timestamp, bytes: &[u8]) {
        self.last_sequence += 1;
        let entry = Entry { sequence: self.last_sequence, stream, at, bytes: bytes.into() };
        self.held_bytes += entry.cost();
        self.entries.push_back(entry);
        while self.held_bytes > LIMIT_BYTES {
            let Some(oldest) = self.pop() else { break };
            if self.sent > 0 {
                self.sent -= 1;
                self.at_risk.push_back((oldest.sequence, oldest.bytes.len() as u64));
            } else {
                self.lost += oldest.bytes.len() as u64;
                self.lost_sequence = oldest.sequence;
            }
        }
    }

    /// The next to send, which counts as sent from now on.
    pub(crate) fn next(&mut self) -> Option<Next<'_>> {
        // Losses happen only when nothing at the front has been sent, so they lie right before it.
        if self.lost > 0 && self.sent == 0 {
            let (sequence, bytes) = (self.lost_sequence, std::mem::take(&mut self.lost));
            self.at_risk.push_back((sequence, bytes));
            return Some(Next::Lost { sequence, bytes });
        }
        let entry = self.entries.get(self.sent)?;
        self.sent += 1;
        Some(Next::Output(entry))
    }

    pub(crate) fn has_more(&self) -> bool {
        self.sent < self.entries.len() || self.lost > 0
    }

    /// The server has taken in everything up to and with this one.
    pub(crate) fn acknowledge(&mut self, sequence: u64) {
        while self.sent > 0 && self.entries.front().is_some_and(|entry| entry.sequence <= sequence) {
            self.pop();
            self.sent -= 1;
        }
        while self.at_risk.front().is_some_and(|(at_risk, _)| *at_risk <= sequence) {
            self.at_risk.pop_front();
        }
    }

    /// A new connection: all that was not acknowledged is to be sent again.
    pub(crate) fn restart(&mut self) {
        self.sent = 0;
        for (sequence, bytes) in std::mem::take(&mut self.at_risk) {
            self.lost += bytes;
            self.lost_sequence = self.lost_sequence.max(sequence);
        }
    }

    fn pop(&mut self) -> Option<Entry> {
        let entry = self.entries.pop_front()?;
        self.held_bytes -= entry.cost();
        if self.entries.is_empty() {
            self.entries.shrink_to(16);
        }
        Some(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static CHUNK: [u8; 64 * 1024] = [b'x'; 64 * 1024];

    fn push(queue: &mut Queue, bytes: &[u8]) {
        queue.push(Stream::Stdout, Timestamp::UNIX_EPOCH, bytes);
    }

    /// Sends all; returns (bytes of output, bytes lost, last sequence number).
    fn drain(queue: &mut Queue) -> (u64, u64, u64) {
        let mut sums = (0, 0, 0);
        while let Some(next) = queue.next() {
            match next {
                Next::Output(entry) => sums = (sums.0 + entry.bytes.len() as u64, sums.1, entry.sequence),
                Next::Lost { sequence, bytes } => sums = (sums.0, sums.1 + bytes, sequence),
            }
        }
        sums
    }

    #[test]
    fn what_is_not_acknowledged_is_sent_again() {
        let mut queue = Queue::default();
        push(&mut queue, b"one");
        push(&mut queue, b"three");
        assert_eq!(drain(&mut queue), (8, 0, 2));
        assert!(!queue.has_more());
        queue.acknowledge(1);
        queue.restart();
        assert_eq!(drain(&mut queue), (5, 0, 2));
    }

    #[test]
    fn every_byte_is_either_sent_or_counted_as_lost() {
        let mut queue = Queue::default();
        let total = 40 * CHUNK.len() as u64;
        for _ in 0..40 {
            push(&mut queue, &CHUNK);
        }
        let (sent, lost, last) = drain(&mut queue);
        assert_eq!((sent + lost, last), (total, 40));
        assert!(sent <= LIMIT_BYTES as u64 && sent > LIMIT_BYTES as u64 / 2);
        // Nothing was acknowledged: the next server gets the same, and the same loss.
        queue.restart();
        assert_eq!(drain(&mut queue), (sent, lost, 40));
        queue.acknowledge(40);
        queue.restart();
        assert!(!queue.has_more());
    }

    #[test]
    fn sent_and_dropped_counts_as_lost_only_if_never_acknowledged() {
        let mut queue = Queue::default();
        push(&mut queue, &CHUNK);
        assert_eq!(drain(&mut queue).0, CHUNK.len() as u64);
        for _ in 0..15 {
            push(&mut queue, &CHUNK);
        }
        let mut acknowledged = queue;
        let (sent, lost, last) = drain(&mut acknowledged);
        assert_eq!((sent, lost, last), (15 * CHUNK.len() as u64, 0, 16));
        acknowledged.restart();
        let (sent, lost, _) = drain(&mut acknowledged);
        assert_eq!((sent + lost, lost), (16 * CHUNK.len() as u64, CHUNK.len() as u64));
    }
}
