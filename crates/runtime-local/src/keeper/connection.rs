//! One connection of a server to the keeper: frames and descriptors in and
//! out, never waiting.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;

use serde::Serialize;

use crate::sys;
use crate::wire::{json_frame, take_frame};

pub(super) struct Connection {
    pub(super) socket: UnixStream,
    inbox: Vec<u8>,
    descriptors: VecDeque<OwnedFd>,
    outbox: VecDeque<Outgoing>,
    outbox_bytes: usize,
}

struct Outgoing {
    bytes: Vec<u8>,
    sent: usize,
    descriptors: Vec<OwnedFd>,
}

impl Connection {
    pub(super) fn new(socket: UnixStream) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self { socket, inbox: Vec::new(), descriptors: VecDeque::new(), outbox: VecDeque::new(), outbox_bytes: 0 })
    }

    /// Takes in what has arrived; `false` once the other end has closed.
    pub(super) fn fill(&mut self, buffer: &mut [u8]) -> io::Result<bool> {
        match sys::socket::receive(self.socket.as_fd(), buffer) {
            Ok((0, _)) => Ok(false),
            Ok((length, descriptors)) => {
                self.inbox.extend_from_slice(&buffer[..length]);
                self.descriptors.extend(descriptors);
                Ok(true)
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => Ok(true),
            Err(error) => Err(error),
        }
    }

    pub(super) fn frame(&mut self) -> io::Result<Option<Vec<u8>>> {
        take_frame(&mut self.inbox)
    }

    /// The next of the descriptors that came along, in order.
    pub(super) fn descriptor(&mut self) -> io::Result<OwnedFd> {
        let missing = || io::Error::new(io::ErrorKind::InvalidData, "a descriptor is missing from a request");
        self.descriptors.pop_front().ok_or_else(missing)
    }

    pub(super) fn send_json(&mut self, body: &impl Serialize, descriptors: Vec<OwnedFd>) -> io::Result<()> {
        self.send(json_frame(body)?, descriptors);
        Ok(())
    }

    pub(super) fn send(&mut self, bytes: Vec<u8>, descriptors: Vec<OwnedFd>) {
        self.outbox_bytes += bytes.len();
        self.outbox.push_back(Outgoing { bytes, sent: 0, descriptors });
    }

    pub(super) fn waiting_bytes(&self) -> usize {
        self.outbox_bytes
    }

    /// Writes as much as the socket takes now.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        while let Some(first) = self.outbox.front_mut() {
            let numbers: Vec<_> = first.descriptors.iter().map(AsRawFd::as_raw_fd).collect();
            match sys::socket::send(self.socket.as_fd(), &first.bytes[first.sent..], &numbers) {
                Ok(length) => {
                    first.descriptors.clear();
                    first.sent += length;
                    self.outbox_bytes -= length;
                    if first.sent == first.bytes.len() {
                        self.outbox.pop_front();
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
