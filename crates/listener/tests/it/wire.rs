//! Either end of a connection, spoken byte by byte. Every wait is bounded.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) async fn in_time<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("waited too long for {what}"))
}

pub(crate) struct Peer<S = TcpStream> {
    pub(crate) stream: S,
    unread: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Peer<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, unread: Vec::new() }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        in_time("a write", self.stream.write_all(bytes.as_ref())).await.unwrap();
        in_time("a flush", self.stream.flush()).await.unwrap();
    }

    /// What comes up to and with `end`.
    pub(crate) async fn until(&mut self, end: &str) -> String {
        let what = format!("{end:?}");
        loop {
            if let Some(at) = self.unread.windows(end.len()).position(|window| window == end.as_bytes()) {
                let rest = self.unread.split_off(at + end.len());
                return String::from_utf8(std::mem::replace(&mut self.unread, rest)).unwrap();
            }
            let read = in_time(&what, self.stream.read_buf(&mut self.unread)).await.unwrap();
            assert_ne!(read, 0, "closed before {end:?} came, after {:?}", String::from_utf8_lossy(&self.unread));
        }
    }

    /// A head, with its empty line.
    pub(crate) async fn head(&mut self) -> String {
        self.until("\r\n\r\n").await
    }

    /// A head and as many bytes of body as its length says.
    pub(crate) async fn message(&mut self) -> (String, String) {
        let head = self.head().await;
        let length = field(&head, "content-length").map_or(0, |length| length.parse().unwrap());
        (head, self.exactly(length).await)
    }

    pub(crate) async fn exactly(&mut self, bytes: usize) -> String {
        while self.unread.len() < bytes {
            let read = in_time("more bytes", self.stream.read_buf(&mut self.unread)).await.unwrap();
            assert_ne!(read, 0, "closed after {:?}", String::from_utf8_lossy(&self.unread));
        }
        let rest = self.unread.split_off(bytes);
        String::from_utf8(std::mem::replace(&mut self.unread, rest)).unwrap()
    }

    /// All that comes until the other side closes; a reset counts as that.
    pub(crate) async fn rest(&mut self) -> String {
        let reading = async { while matches!(self.stream.read_buf(&mut self.unread).await, Ok(read) if read > 0) {} };
        in_time("the other side to close", reading).await;
        String::from_utf8_lossy(&std::mem::take(&mut self.unread)).into_owned()
    }

    /// Waits for the other side to close, having sent nothing more.
    pub(crate) async fn closed(&mut self) {
        assert_eq!(self.rest().await, "");
    }
}

/// The value of a header line in a head.
pub(crate) fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut values = head.lines().filter_map(|line| line.split_once(": "));
    values.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// Where a scripted dyno listens.
pub(crate) struct Dyno {
    listener: TcpListener,
}

impl Dyno {
    pub(crate) async fn listen() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.unwrap() }
    }

    pub(crate) fn address(&self) -> std::net::SocketAddr {
        self.listener.local_addr().unwrap()
    }

    pub(crate) async fn accept(&self) -> Peer {
        Peer::new(in_time("a connection to the dyno", self.listener.accept()).await.unwrap().0)
    }

    /// Asserts that no connection waits to be accepted.
    pub(crate) async fn has_no_visitor(&self) {
        let now = tokio::time::timeout(Duration::ZERO, self.listener.accept()).await;
        assert!(now.is_err(), "something reached the dyno");
    }

    /// Answers every request with its own number, on every connection, until
    /// dropped.
    pub(crate) fn answering(self, text: &'static str) -> Answering {
        let address = self.address();
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = self.listener.accept().await.unwrap();
                connections.spawn(answer_all(stream, text));
            }
        });
        Answering { address, task }
    }
}

async fn answer_all(mut stream: TcpStream, text: &'static str) {
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len());
    let mut unread = Vec::new();
    while matches!(stream.read_buf(&mut unread).await, Ok(read) if read > 0) {
        while let Some(at) = unread.windows(4).position(|window| window == b"\r\n\r\n") {
            unread.drain(..at + 4);
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }
}

pub(crate) struct Answering {
    address: std::net::SocketAddr,
    task: tokio::task::JoinHandle<()>,
}

impl Answering {
    pub(crate) fn address(&self) -> std::net::SocketAddr {
        self.address
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.task.abort();
    }
}
