//! The connection to an attached dyno: TLS, one line with a secret, then bytes
//! both ways (Heroku's rendezvous protocol).

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};

use super::status::StatusFilter;
use crate::server::Server;

const ANSWER: &[u8] = b"rendezvous\r\n";
const PATIENCE: Duration = Duration::from_secs(30);
/// What the server takes for the end of the input.
const END_OF_TRANSMISSION: u8 = 4;
const INTERRUPT: u8 = 3;
/// That many interrupts within a second are meant for us.
const INTERRUPTS_TO_LEAVE: usize = 4;

pub(super) struct Session {
    stream: StreamOwned<ClientConnection, TcpStream>,
}

impl Session {
    /// `url`: `rendezvous://host:port/secret`.
    pub(super) fn open(url: &str, server: &Server) -> anyhow::Result<Self> {
        let (host, port, secret) = parts(url).with_context(|| format!("`{url}` is no place to attach to"))?;
        let name = ServerName::try_from(host.to_owned()).with_context(|| format!("`{host}` is no host name"))?;
        let tcp = TcpStream::connect((host, port)).with_context(|| format!("could not reach {host}:{port}"))?;
        tcp.set_nodelay(true)?;
        tcp.set_read_timeout(Some(PATIENCE))?;
        let tls = ClientConnection::new(server.trust.for_rustls()?, name)?;
        let mut stream = StreamOwned::new(tls, tcp);
        stream.write_all(format!("{secret}\r\n").as_bytes()).context("could not attach to the dyno")?;
        let mut answer = [0; ANSWER.len()];
        stream.read_exact(&mut answer).context("the server did not attach us to the dyno")?;
        if answer != ANSWER {
            bail!("the server's answer is not that of an attached dyno");
        }
        stream.sock.set_nonblocking(true)?;
        Ok(Self { stream })
    }

    /// Passes bytes on until the dyno is done; its exit status, if it told.
    pub(super) fn relay(mut self, tty: bool) -> anyhow::Result<Option<u8>> {
        let stdin = File::from(std::io::stdin().as_fd().try_clone_to_owned()?);
        let mut stdout = std::io::stdout().lock();
        let mut filter = StatusFilter::default();
        let mut interrupts = Interrupts::default();
        let mut input_is_open = true;
        let mut buffer = vec![0; 16 * 1024];
        loop {
            let is_over = self.receive(&mut buffer, &mut |piece| {
                stdout.write_all(&filter.pass(piece))?;
                stdout.flush()
            })?;
            if is_over {
                break;
            }
            let has_more_to_send = self.send()?;
            let ready = self.wait(has_more_to_send, input_is_open.then_some(&stdin))?;
            if ready {
                let count = (&stdin).read(&mut buffer).context("could not read the input")?;
                if tty && interrupts.are_enough(&buffer[..count]) {
                    return Ok(Some(130));
                }
                if count == 0 {
                    input_is_open = false;
                    self.stream.conn.writer().write_all(&[END_OF_TRANSMISSION])?;
                } else {
                    self.stream.conn.writer().write_all(&buffer[..count])?;
                }
            }
        }
        let (rest, status) = filter.end();
        stdout.write_all(&rest)?;
        stdout.flush()?;
        Ok(status)
    }

    /// Takes what has arrived; true at the end.
    fn receive(
        &mut self,
        buffer: &mut [u8],
        take: &mut dyn FnMut(&[u8]) -> std::io::Result<()>,
    ) -> anyhow::Result<bool> {
        loop {
            match self.stream.conn.read_tls(&mut self.stream.sock) {
                Ok(0) => return self.take_plain(buffer, take).map(|_| true),
                Ok(_) => {
                    self.stream.conn.process_new_packets().context("the connection speaks no proper TLS")?;
                    if self.take_plain(buffer, take)? {
                        return Ok(true);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("the connection to the dyno broke off"),
            }
        }
    }

    fn take_plain(
        &mut self,
        buffer: &mut [u8],
        take: &mut dyn FnMut(&[u8]) -> std::io::Result<()>,
    ) -> anyhow::Result<bool> {
        loop {
            match self.stream.conn.reader().read(buffer) {
                Ok(0) => return Ok(true),
                Ok(count) => take(&buffer[..count]).context("could not write the output")?,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                // The other side ended without a goodbye: what came counts.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(true),
                Err(error) => return Err(error).context("the connection to the dyno broke off"),
            }
        }
    }

    /// Sends as much as the network takes; true if there is more.
    fn send(&mut self) -> anyhow::Result<bool> {
        while self.stream.conn.wants_write() {
            match self.stream.conn.write_tls(&mut self.stream.sock) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("the connection to the dyno broke off"),
            }
        }
        Ok(false)
    }

    /// Waits until something can be done; true if there is input to read. While
    /// the network takes no more, no input is read either.
    fn wait(&self, has_more_to_send: bool, input: Option<&File>) -> anyhow::Result<bool> {
        let network = if has_more_to_send { PollFlags::POLLIN | PollFlags::POLLOUT } else { PollFlags::POLLIN };
        let mut waited = vec![PollFd::new(self.stream.sock.as_fd(), network)];
        if let Some(input) = input.filter(|_| !has_more_to_send) {
            waited.push(PollFd::new(input.as_fd(), PollFlags::POLLIN));
        }
        match poll(&mut waited, PollTimeout::NONE) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error).context("could not wait for the dyno"),
        }
        Ok(waited.get(1).and_then(PollFd::any).unwrap_or(false))
    }
}

/// Host (without brackets), port and secret.
fn parts(url: &str) -> Option<(&str, u16, &str)> {
    let (authority, secret) = url.strip_prefix("rendezvous://")?.split_once('/')?;
    let (host, port) = authority.rsplit_once(':')?;
    Some((host.trim_start_matches('[').trim_end_matches(']'), port.parse().ok()?, secret))
}

/// Someone who presses Ctrl-C again and again wants to leave a dyno that does
/// not listen.
#[derive(Debug, Default)]
struct Interrupts(Vec<Instant>);

impl Interrupts {
    fn are_enough(&mut self, typed: &[u8]) -> bool {
        let now = Instant::now();
        self.0.retain(|at| now.duration_since(*at) < Duration::from_secs(1));
        self.0.extend(typed.iter().filter(|key| **key == INTERRUPT).map(|_| now));
        self.0.len() >= INTERRUPTS_TO_LEAVE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_to_attach_to_is_host_port_and_secret() {
        assert_eq!(parts("rendezvous://localhost:5000/abc"), Some(("localhost", 5000, "abc")));
        assert_eq!(parts("rendezvous://[::1]:5000/abc"), Some(("::1", 5000, "abc")));
        assert_eq!(parts("https://localhost:5000/abc"), None);
        assert_eq!(parts("rendezvous://localhost/abc"), None);
    }

    #[test]
    fn four_interrupts_in_a_moment_are_meant_for_us() {
        let mut interrupts = Interrupts::default();
        assert!(!interrupts.are_enough(b"\x03"));
        assert!(!interrupts.are_enough(b"ls\x03\x03"));
        assert!(interrupts.are_enough(b"\x03"));
    }
}
