//! The server's side of the two connections to the keeper.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use runtime::Event;
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot};

use crate::keeper;
use crate::paths::Paths;
use crate::sys;
use crate::wire::{
    Acknowledgement, Answer, Hello, Notice, Order, PROTOCOL, Refusal, Reply, Request, Role, Welcome, json_frame,
    take_frame,
};

#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    #[error("the keeper speaks protocol {theirs}, this program {PROTOCOL}: run `down` with the older program first")]
    Protocol { theirs: u32 },
    #[error("the connection to the keeper failed")]
    Io(#[from] io::Error),
}

/// What the keeper made of an order that it received.
pub(crate) type Outcome = Result<(Answer, Vec<OwnedFd>), Refusal>;

/// Why there is no outcome.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OrderError {
    /// The keeper has not seen it.
    #[error("the order could not be sent to the keeper")]
    NotSent(#[source] io::Error),
    /// The connection ended before the answer: it may be carried out, or not.
    #[error("the keeper's answer was lost")]
    Lost,
}

/// Orders that wait to be written; whoever gives one more waits.
const MOST_UNWRITTEN: usize = 64;

/// Orders to the keeper; may be used by many tasks at a time.
pub(crate) struct Control {
    unwritten: mpsc::Sender<Frame>,
    last_id: AtomicU64,
    waiting: Mutex<Waiting>,
}

/// An order on its way, with the descriptors that go along.
struct Frame {
    bytes: Vec<u8>,
    descriptors: Vec<OwnedFd>,
}

#[derive(Default)]
struct Waiting {
    replies: HashMap<u64, oneshot::Sender<Outcome>>,
    closed: bool,
}

/// However the connection's task ends, also when it is aborted: whoever waits
/// for an answer learns that none will come.
struct HangUp(Arc<Control>);

impl Drop for HangUp {
    fn drop(&mut self) {
        let mut waiting = self.0.waiting();
        waiting.closed = true;
        waiting.replies.clear();
    }
}

impl Control {
    /// Connects; the second value must be run for orders to be sent and
    /// answers to arrive, and ends when the keeper does.
    pub(crate) async fn connect(
        paths: &Paths,
    ) -> Result<(Arc<Self>, impl Future<Output = io::Result<()>> + Send + use<>), ClientError> {
        let stream = greet(paths, Role::Control).await?;
        let (unwritten, frames) = mpsc::channel(MOST_UNWRITTEN);
        let control = Arc::new(Self { unwritten, last_id: AtomicU64::new(0), waiting: Mutex::default() });
        let hang_up = HangUp(Arc::clone(&control));
        Ok((control, async move {
            let HangUp(control) = &hang_up;
            tokio::select! {
                ended = control.read(&stream) => ended,
                failed = write(&stream, frames) => failed,
            }
        }))
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends an order and waits for its outcome. Dropping the future takes the
    /// order back if it was not sent yet, and nothing else: frames are written
    /// whole by the connection's own task.
    pub(crate) async fn order(&self, order: Order, descriptors: Vec<OwnedFd>) -> Result<Outcome, OrderError> {
        let closed = || OrderError::NotSent(io::ErrorKind::BrokenPipe.into());
        let room = self.unwritten.reserve().await.map_err(|_| closed())?;
        let id = self.last_id.fetch_add(1, Ordering::Relaxed);
        let bytes = json_frame(&Request { id, order }).map_err(OrderError::NotSent)?;
        let (reply, outcome) = oneshot::channel();
        {
            let mut waiting = self.waiting();
            if waiting.closed {
                return Err(closed());
            }
            waiting.replies.insert(id, reply);
        }
        room.send(Frame { bytes, descriptors });
        outcome.await.map_err(|_| OrderError::Lost)
    }

    async fn read(&self, stream: &UnixStream) -> io::Result<()> {
        let mut buffer = Vec::new();
        let mut arrived: VecDeque<OwnedFd> = VecDeque::new();
        loop {
            while let Some(frame) = take_frame(&mut buffer)? {
                let Reply { id, descriptors, result } = serde_json::from_slice(&frame)?;
                let its: Vec<OwnedFd> = arrived.drain(..descriptors.min(arrived.len())).collect();
                let reply = self.waiting().replies.remove(&id);
                if let Some(reply) = reply {
                    // Whoever asked may have gone; then its descriptors close here.
                    let _ = reply.send(result.map(|answer| (answer, its)));
                }
            }
            let (bytes, received) = read_some(stream).await?;
            if bytes.is_empty() {
                return Ok(());
            }
            buffer.extend_from_slice(&bytes);
            arrived.extend(received);
        }
    }
}

/// How an events connection ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum EventsEnd {
    /// The keeper was told to end.
    Goodbye,
    /// The keeper died, or another server took its output over.
    Lost,
    /// Nobody wants events any more.
    Unwanted,
}

/// Output and exits of all dynos, until it ends.
pub(crate) struct EventStream {
    stream: UnixStream,
}

impl EventStream {
    /// From now on the keeper sends here what no server has acknowledged.
    pub(crate) async fn connect(paths: &Paths) -> Result<Self, ClientError> {
        Ok(Self { stream: greet(paths, Role::Events).await? })
    }

    /// Hands everything on, and acknowledges it once it has been taken.
    pub(crate) async fn forward(self, to: &mpsc::Sender<Event>) -> io::Result<EventsEnd> {
        let mut buffer = Vec::new();
        loop {
            let mut acknowledgements: HashMap<_, u64> = HashMap::new();
            while let Some(frame) = take_frame(&mut buffer)? {
                let notice = Notice::from_body(&frame)?;
                let event = match notice {
                    Notice::Goodbye => return Ok(EventsEnd::Goodbye),
                    Notice::Output { dyno, sequence, stream, at, bytes } => {
                        acknowledgements.insert(dyno, sequence);
                        Event::Output { dyno, stream, at, bytes: bytes.into() }
                    }
                    Notice::Lost { dyno, sequence, bytes } => {
                        acknowledgements.insert(dyno, sequence);
                        Event::Lost { dyno, bytes }
                    }
                    Notice::Exited { dyno, ended } => Event::Exited { dyno, at: ended.at, exit: ended.into() },
                };
                if to.send(event).await.is_err() {
                    return Ok(EventsEnd::Unwanted);
                }
            }
            let mut frames = Vec::new();
            for (dyno, sequence) in acknowledgements {
                frames.extend_from_slice(&Acknowledgement { dyno, sequence }.to_frame());
            }
            // A keeper that has ended takes no more in, but may have left something to be read.
            let _ = write_all(&self.stream, &frames, &[]).await;
            tokio::select! {
                read = read_some(&self.stream) => match read {
                    Ok((bytes, _)) if bytes.is_empty() => return Ok(EventsEnd::Lost),
                    Ok((bytes, _)) => buffer.extend_from_slice(&bytes),
                    Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(EventsEnd::Lost),
                    Err(error) => return Err(error),
                },
                () = to.closed() => return Ok(EventsEnd::Unwanted),
            }
        }
    }
}

async fn greet(paths: &Paths, role: Role) -> Result<UnixStream, ClientError> {
    let socket = keeper::connect(paths)?;
    socket.set_nonblocking(true)?;
    let stream = UnixStream::from_std(socket)?;
    write_all(&stream, &json_frame(&Hello { protocol: PROTOCOL, role })?, &[]).await?;
    let mut buffer = Vec::new();
    let frame = loop {
        if let Some(frame) = take_frame(&mut buffer)? {
            break frame;
        }
        // Byte by byte up to the end of the first frame: what follows belongs to the reader.
        let mut byte = [0];
        stream.readable().await?;
        match stream.try_read(&mut byte) {
            Ok(0) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            Ok(_) => buffer.push(byte[0]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
    };
    let welcome: Welcome = serde_json::from_slice(&frame).map_err(io::Error::from)?;
    if welcome.protocol != PROTOCOL {
        return Err(ClientError::Protocol { theirs: welcome.protocol });
    }
    Ok(stream)
}

/// Writes what comes, until that fails.
async fn write(stream: &UnixStream, mut frames: mpsc::Receiver<Frame>) -> io::Result<()> {
    while let Some(Frame { bytes, descriptors }) = frames.recv().await {
        let numbers: Vec<RawFd> = descriptors.iter().map(AsRawFd::as_raw_fd).collect();
        write_all(stream, &bytes, &numbers).await?;
    }
    // The sender lives as long as the reader beside this.
    std::future::pending().await
}

async fn read_some(stream: &UnixStream) -> io::Result<(Vec<u8>, Vec<OwnedFd>)> {
    let mut buffer = vec![0; 64 * 1024];
    let (length, descriptors) =
        stream.async_io(Interest::READABLE, || sys::socket::receive(stream.as_fd(), &mut buffer)).await?;
    buffer.truncate(length);
    Ok((buffer, descriptors))
}

async fn write_all(stream: &UnixStream, bytes: &[u8], descriptors: &[RawFd]) -> io::Result<()> {
    let mut sent = 0;
    let mut descriptors = descriptors;
    while sent < bytes.len() {
        sent += stream
            .async_io(Interest::WRITABLE, || sys::socket::send(stream.as_fd(), &bytes[sent..], descriptors))
            .await?;
        descriptors = &[];
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::{UnixListener, UnixStream as StdUnixStream};

    use domain::DynoId;

    use super::*;

    /// Far more than a socket's buffer holds.
    const LONG_BYTES: usize = 4 * 1024 * 1024;

    fn next_frame(socket: &StdUnixStream, buffer: &mut Vec<u8>) -> Vec<u8> {
        loop {
            if let Some(frame) = take_frame(buffer).unwrap() {
                return frame;
            }
            let mut chunk = [0; 4096];
            let length = std::io::Read::read(&mut &*socket, &mut chunk).unwrap();
            assert!(length > 0, "the server hung up in the middle of a frame");
            buffer.extend_from_slice(&chunk[..length]);
        }
    }

    fn send(socket: &StdUnixStream, message: &impl serde::Serialize) {
        std::io::Write::write_all(&mut &*socket, &json_frame(message).unwrap()).unwrap();
    }

    /// A keeper's end of the control connection, past the greeting.
    async fn connected(paths: &Paths) -> (Arc<Control>, tokio::task::JoinHandle<io::Result<()>>, StdUnixStream) {
        let listener = UnixListener::bind(paths.keeper_socket()).unwrap();
        let greeting = tokio::task::spawn_blocking(move || {
            let (socket, _) = listener.accept().unwrap();
            next_frame(&socket, &mut Vec::new());
            send(&socket, &Welcome { protocol: PROTOCOL, pid: 1 });
            socket
        });
        let (control, carrier) = Control::connect(paths).await.unwrap();
        (control, tokio::spawn(carrier), greeting.await.unwrap())
    }

    fn stop(grace_ms: u64) -> Order {
        Order::Stop { dyno: DynoId(uuid::Uuid::nil()), grace_ms }
    }

    #[tokio::test]
    async fn an_order_that_is_given_up_midway_does_not_garble_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let paths = Paths::of(folder.path()).unwrap();
        paths.make().unwrap();
        let (control, carrier, keeper) = connected(&paths).await;
        // It fills the socket, so that what follows has to wait.
        let long = json_frame(&"x".repeat(LONG_BYTES)).unwrap();
        control.unwritten.send(Frame { bytes: long, descriptors: Vec::new() }).await.ok().unwrap();
        let given_up = tokio::spawn({
            let control = Arc::clone(&control);
            async move { control.order(stop(1), Vec::new()).await }
        });
        while control.waiting().replies.is_empty() {
            tokio::task::yield_now().await;
        }
        given_up.abort();
        assert!(given_up.await.unwrap_err().is_cancelled());
        let reading = tokio::task::spawn_blocking(move || {
            let mut buffer = Vec::new();
            assert!(next_frame(&keeper, &mut buffer).len() > LONG_BYTES);
            for grace_ms in [1, 2] {
                let Request { id, order } = serde_json::from_slice(&next_frame(&keeper, &mut buffer)).unwrap();
                assert!(matches!(order, Order::Stop { grace_ms: found, .. } if found == grace_ms));
                send(&keeper, &Reply { id, descriptors: 0, result: Ok(Answer::Done) });
            }
        });
        assert!(matches!(control.order(stop(2), Vec::new()).await, Ok(Ok((Answer::Done, _)))));
        reading.await.unwrap();
        carrier.await.unwrap().unwrap();
        assert!(matches!(control.order(stop(3), Vec::new()).await, Err(OrderError::NotSent(_))));
    }

    #[tokio::test]
    async fn an_answer_that_never_came_is_told_from_an_order_that_never_went() {
        let folder = tempfile::tempdir().unwrap();
        let paths = Paths::of(folder.path()).unwrap();
        paths.make().unwrap();
        let (control, carrier, keeper) = connected(&paths).await;
        let reading = tokio::task::spawn_blocking(move || drop((next_frame(&keeper, &mut Vec::new()), keeper)));
        assert!(matches!(control.order(stop(1), Vec::new()).await, Err(OrderError::Lost)));
        reading.await.unwrap();
        carrier.await.unwrap().unwrap();
    }
}
