//! A WebSocket client (RFC 6455) for short text messages.

use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, ensure};

use crate::http;

const TIMEOUT: Duration = Duration::from_secs(30);
const FIN_TEXT: u8 = 0x81;
const MASKED: u8 = 0x80;

pub struct WebSocket {
    stream: BufReader<TcpStream>,
}

impl WebSocket {
    pub fn open(address: SocketAddr, host: &str, path: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        let mut stream = BufReader::new(stream);
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.get_mut().write_all(head.as_bytes())?;
        let (status, headers) = http::read_head(&mut stream)?;
        ensure!(status == 101, "the upgrade was answered with {status}: {headers:?}");
        let accept = headers.iter().find(|(name, _)| name == "sec-websocket-accept").context("no accept header")?;
        ensure!(accept.1 == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "a wrong accept header: {}", accept.1);
        Ok(Self { stream })
    }

    /// At most 125 bytes.
    pub fn send(&mut self, text: &str) -> anyhow::Result<()> {
        const MASK: [u8; 4] = [1, 2, 3, 4];
        let length = u8::try_from(text.len()).ok().filter(|length| *length < 126).context("too long a message")?;
        let mut frame = vec![FIN_TEXT, MASKED | length];
        frame.extend(MASK);
        frame.extend(text.bytes().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        self.stream.get_mut().write_all(&frame)?;
        Ok(())
    }

    pub fn receive(&mut self) -> anyhow::Result<String> {
        let mut head = [0; 2];
        self.stream.read_exact(&mut head)?;
        ensure!(head[0] == FIN_TEXT && head[1] < 126, "an unexpected frame: {head:?}");
        let mut text = vec![0; usize::from(head[1])];
        self.stream.read_exact(&mut text)?;
        Ok(String::from_utf8(text)?)
    }
}
