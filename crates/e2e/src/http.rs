//! A plain HTTP/1.1 client for one request at a time, over loopback.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, bail};

/// Heroku's router waits this long for a dyno that starts, and a bit.
const TIMEOUT: Duration = Duration::from_secs(80);

#[derive(Debug, Clone)]
pub struct Request<'a> {
    pub method: &'a str,
    /// The `Host` header; the connection goes to `address` whatever it says.
    pub host: &'a str,
    pub path: &'a str,
    pub headers: &'a [(&'a str, &'a str)],
    pub body: &'a str,
}

#[derive(Debug, Clone)]
pub struct Response {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Response {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> anyhow::Result<serde_json::Value> {
        serde_json::from_str(&self.body).with_context(|| format!("not JSON (status {}): {}", self.status, self.body))
    }
}

/// `GET path` with this `Host`, on a connection of its own.
pub fn get(address: SocketAddr, host: &str, path: &str) -> anyhow::Result<Response> {
    send(address, &Request { method: "GET", host, path, headers: &[], body: "" })
}

pub fn send(address: SocketAddr, request: &Request<'_>) -> anyhow::Result<Response> {
    let mut stream = TcpStream::connect(address).with_context(|| format!("could not connect to {address}"))?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let Request { method, host, path, headers, body } = request;
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
    if !body.is_empty() {
        head += &format!("Content-Length: {}\r\n", body.len());
    }
    for (name, value) in *headers {
        head += &format!("{name}: {value}\r\n");
    }
    stream.write_all(format!("{head}\r\n{body}").as_bytes())?;
    read_response(&mut BufReader::new(stream))
}

/// Reads one response up to its end.
pub(crate) fn read_response(stream: &mut impl BufRead) -> anyhow::Result<Response> {
    let (status, headers) = read_head(stream)?;
    let mut response = Response { status, headers, body: String::new() };
    let mut body = Vec::new();
    if response.header("transfer-encoding").is_some_and(|value| value.contains("chunked")) {
        loop {
            let line = read_line(stream)?;
            let digits = line.split(';').next().unwrap_or_default().trim();
            let length = u64::from_str_radix(digits, 16).with_context(|| format!("`{line}` is no chunk's length"))?;
            exactly(stream, length, &mut body)?;
            read_line(stream)?;
            if length == 0 {
                break;
            }
        }
    } else if let Some(length) = response.header("content-length") {
        exactly(stream, length.parse()?, &mut body)?;
    } else {
        stream.read_to_end(&mut body)?;
    }
    response.body = String::from_utf8_lossy(&body).into_owned();
    Ok(response)
}

pub(crate) fn read_head(stream: &mut impl BufRead) -> anyhow::Result<(u16, Vec<(String, String)>)> {
    let line = read_line(stream)?;
    let status = line.split(' ').nth(1).and_then(|text| text.parse().ok());
    let Some(status) = status else { bail!("`{line}` is no status line") };
    let mut headers = Vec::new();
    loop {
        let line = read_line(stream)?;
        let Some((name, value)) = line.split_once(':') else { return Ok((status, headers)) };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
}

fn read_line(stream: &mut impl BufRead) -> anyhow::Result<String> {
    let mut line = String::new();
    if stream.read_line(&mut line)? == 0 {
        bail!("the connection ended before the answer did");
    }
    Ok(line.trim_end().to_owned())
}

fn exactly(stream: &mut impl BufRead, length: u64, body: &mut Vec<u8>) -> anyhow::Result<()> {
    let got = stream.take(length).read_to_end(body)?;
    if got as u64 != length {
        bail!("the answer broke off after {got} of {length} bytes");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_by_length_chunks_or_end() {
        for text in [
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n",
            "HTTP/1.0 200 OK\r\n\r\nhello",
        ] {
            let response = read_response(&mut text.as_bytes()).unwrap();
            assert_eq!((response.status, response.body.as_str()), (200, "hello"), "{text}");
        }
    }

    #[test]
    fn an_answer_cut_short_is_an_error() {
        for text in ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", "junk\r\n\r\n"] {
            assert!(read_response(&mut text.as_bytes()).is_err(), "{text}");
        }
    }
}
