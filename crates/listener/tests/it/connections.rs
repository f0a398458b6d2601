//! A client's connection as such: where it is dispatched to, its timers, and
//! its end when the listener stops.

use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::site::Site;
use crate::wire::{field, in_time};

const SHORT: Duration = Duration::from_millis(150);
const GET: &str = "GET / HTTP/1.1\r\nHost: shop.localhost\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

#[tokio::test]
async fn the_platform_s_names_lead_to_the_platform_and_others_to_the_router() {
    let site = Site::start().await;
    let dyno = site.dyno().await.answering("hi");
    site.served_by(&[dyno.address()]);
    let mut client = site.connect().await;
    for (host, answer) in [
        ("localhost:5000", "platform /x http 127.0.0.1"),
        ("127.0.0.1", "platform /x http 127.0.0.1"),
        ("shop.localhost", "hi"),
    ] {
        client.send(format!("GET /x HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
        assert_eq!(client.message().await.1, answer, "{host}");
    }
}

#[tokio::test]
async fn a_head_that_does_not_get_complete_is_cut() {
    let site = Site::with(|config| config.listener.head = SHORT).await;
    let dyno = site.dyno().await.answering("hi");
    site.served_by(&[dyno.address()]);
    let mut client = site.sends("GET / HTTP/1.1\r\nHost: sh").await;
    client.closed().await;
    // Also when it is the second on its connection.
    let mut client = site.sends(GET).await;
    client.message().await;
    client.send("GET / HT").await;
    client.closed().await;
    // Drop by drop makes no difference.
    let mut client = site.connect().await;
    let dripping = async {
        while client.stream.write_all(b"G").await.is_ok() {
            tokio::time::sleep(SHORT / 10).await;
        }
    };
    in_time("the cut", dripping).await;
}

#[tokio::test]
async fn an_unused_connection_is_closed_and_a_used_one_is_not() {
    let site = Site::with(|config| {
        config.listener.idle = SHORT * 2;
        config.listener.head = SHORT;
    })
    .await;
    let dyno = site.dyno().await;
    site.connect().await.closed().await;
    let mut client = site.sends(GET).await;
    let mut connection = dyno.accept().await;
    connection.head().await;
    tokio::time::sleep(SHORT * 3).await;
    connection.send(OK).await;
    client.message().await;
    client.closed().await;
}

#[tokio::test]
async fn an_answer_to_a_request_that_is_still_being_sent_is_not_lost() {
    let site = Site::start().await;
    let length = 4 * 1024 * 1024;
    let mut client =
        site.sends(format!("POST / HTTP/1.1\r\nHost: nope.localhost\r\nContent-Length: {length}\r\n\r\n")).await;
    let body = vec![b'a'; length];
    client.send(body).await;
    let answer = client.rest().await;
    assert!(answer.starts_with("HTTP/1.1 404 Not Found\r\n"), "{answer}");
    assert_eq!(field(&answer, "connection"), Some("close"));
}

#[tokio::test]
async fn a_listener_that_stops_ends_what_is_open_and_takes_nothing_new() {
    let site = Site::start().await;
    let dyno = site.dyno().await;
    let mut unused = site.connect().await;
    let mut client = site.sends(GET).await;
    let mut connection = dyno.accept().await;
    connection.head().await;
    site.stop.cancel();
    unused.closed().await;
    connection.send(OK).await;
    let answer = client.rest().await;
    assert!(answer.ends_with("\r\n\r\nhi"), "{answer}");
    site.stopped().await;
    assert!(TcpStream::connect(site.address).await.is_err());
}

#[tokio::test]
async fn what_does_not_end_is_cut_after_the_grace() {
    let site = Site::with(|config| config.listener.grace = SHORT).await;
    let dyno = site.dyno().await;
    let mut client = site.sends(GET).await;
    let mut connection = dyno.accept().await;
    connection.head().await;
    site.stopped().await;
    client.closed().await;
    connection.closed().await;
}
