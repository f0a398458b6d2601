//! The fetcher against a server on loopback.

#![expect(clippy::unwrap_used, reason = "these are tests, helpers among them")]

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::mpsc;
use std::time::Duration;

use fetch::{FetchError, Fetcher, Settings, Url};

/// A server that gives one canned answer per connection and tells what it was asked.
struct Server {
    url: String,
    asked: mpsc::Receiver<String>,
}

impl Server {
    fn answering(answers: Vec<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (tell, asked) = mpsc::channel();
        std::thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let mut request = Vec::new();
                let mut buffer = [0; 1024];
                while !request.windows(4).any(|end| end == b"\r\n\r\n") {
                    let read = stream.read(&mut buffer).unwrap();
                    request.extend_from_slice(&buffer[..read]);
                }
                stream.write_all(answer.as_bytes()).unwrap();
                // The test may have ended already.
                let _ = tell.send(String::from_utf8(request).unwrap());
            }
        });
        Self { url, asked }
    }
}

fn answer(head: &str, body: &str) -> String {
    format!("HTTP/1.1 {head}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn open() -> Fetcher {
    let settings = Settings { allow_private: true, connect: Duration::from_secs(2), ..Settings::default() };
    Fetcher::new(settings).unwrap()
}

fn text(fetcher: &Fetcher, url: &str, limit: u64) -> Result<String, FetchError> {
    let url: Url = url.parse().unwrap();
    let mut body = Vec::new();
    fetcher.get(&url, &[])?.ok()?.copy(&mut body, limit, &|| false)?;
    Ok(String::from_utf8(body).unwrap())
}

#[test]
fn a_body_is_read_up_to_the_limit() {
    let server = Server::answering(vec![answer("200 OK", "content"), answer("200 OK", "content")]);
    assert_eq!(text(&open(), &server.url, 7).unwrap(), "content");
    assert!(matches!(text(&open(), &server.url, 6), Err(FetchError::TooLarge { limit_bytes: 6, .. })));
}

#[test]
fn private_addresses_are_refused_unless_allowed() {
    let careful = Fetcher::new(Settings::default()).unwrap();
    for url in ["http://127.0.0.1:1/", "http://localhost:1/", "http://169.254.169.254/latest", "http://[::1]/"] {
        let refused = text(&careful, url, 1);
        assert!(matches!(refused, Err(FetchError::Private { .. })), "{url}: {refused:?}");
    }
}

#[test]
fn credentials_go_to_the_named_host_and_not_where_it_points() {
    let other = Server::answering(vec![answer("200 OK", "there")]);
    let elsewhere = other.url.replace("127.0.0.1", "localhost");
    let server = Server::answering(vec![answer(&format!("302 Found\r\nLocation: {elsewhere}/x"), "")]);
    let url = server.url.replace("http://", "http://me:secret@");
    assert_eq!(text(&open(), &url, 100).unwrap(), "there");
    assert!(server.asked.recv().unwrap().to_lowercase().contains("authorization: basic bwu6c2vjcmv0\r\n"));
    assert!(!other.asked.recv().unwrap().to_lowercase().contains("authorization"));
}

#[test]
fn a_host_that_is_not_there_is_said_at_once_and_not_asked_for_long() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut tries = 0;
    let fetcher = open();
    let refused = fetcher.retry(&|| false, || {
        tries += 1;
        text(&fetcher, &format!("http://{gone}/"), 1)
    });
    assert_eq!(refused.unwrap_err().to_string(), "127.0.0.1 can't be reached: it refuses the connection");
    assert_eq!(tries, 2);
    let nameless = text(&open(), "http://no-such-host.invalid/", 1).unwrap_err();
    assert!(matches!(nameless, FetchError::Unreachable { .. }), "{nameless:?}");
}

#[test]
fn a_failing_server_is_tried_again_and_a_refusing_one_is_not() {
    let fetcher = open();
    let server = Server::answering(vec![answer("503 Busy", ""), answer("200 OK", "then")]);
    assert_eq!(fetcher.retry(&|| false, || text(&fetcher, &server.url, 100)).unwrap(), "then");
    let server = Server::answering(vec![answer("404 Not Found", "")]);
    let refused = fetcher.retry(&|| false, || text(&fetcher, &server.url, 100)).unwrap_err();
    assert_eq!(refused.to_string(), "127.0.0.1 answered 404: there is no such thing");
}
