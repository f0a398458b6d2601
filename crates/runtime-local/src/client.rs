//! The server's side of the two connections to the keeper.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use runtime::Event;
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::{Mutex as AsyncMutex, mpsc, oneshot};

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

/// What came back for an order.
pub(crate) type Outcome = Result<(Answer, Vec<OwnedFd>), Refusal>;

/// Orders to the keeper; may be used by many tasks at a time.
pub(crate) struct Control {
    stream: Arc<UnixStream>,
    /// Frames must not mix.
    writing: AsyncMutex<()>,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    last_id: u64,
    replies: HashMap<u64, oneshot::Sender<Outcome>>,
    closed: bool,
}

impl Control {
    /// Connects; the second value must be run for answers to arrive, and ends
    /// when the keeper does.
    pub(crate) async fn connect(
        paths: &Paths,
    ) -> Result<(Arc<Self>, impl Future<Output = io::Result<()>> + Send + use<>), ClientError> {
        let stream = Arc::new(greet(paths, Role::Control).await?);
        let control = Arc::new(Self {
            stream: Arc::clone(&stream),
            writing: AsyncMutex::new(()),
            waiting: Mutex::new(Waiting::default()),
        });
        let reader = Arc::clone(&control);
        Ok((control, async move {
            let ended = reader.read(&stream).await;
            let mut waiting = reader.waiting();
            waiting.closed = true;
            // Dropped unanswered: whoever waits learns that the keeper is gone.
            waiting.replies.clear();
            ended
        }))
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends an order and waits for its outcome.
    pub(crate) async fn order(&self, order: Order, descriptors: &[OwnedFd]) -> io::Result<Outcome> {
        let (reply, outcome) = oneshot::channel();
        let id = {
            let mut waiting = self.waiting();
            if waiting.closed {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            waiting.last_id += 1;
            let id = waiting.last_id;
            waiting.replies.insert(id, reply);
            id
        };
        let frame = json_frame(&Request { id, order })?;
        let numbers: Vec<RawFd> = descriptors.iter().map(AsRawFd::as_raw_fd).collect();
        {
            let _turn = self.writing.lock().await;
            write_all(&self.stream, &frame, &numbers).await?;
        }
        outcome.await.map_err(|_| io::ErrorKind::BrokenPipe.into())
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
