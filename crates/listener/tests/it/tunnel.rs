//! Upgraded connections: bytes both ways, but only after the dyno's 101.

use std::time::Duration;

use crate::site::{Site, dyno_id};
use crate::wire::{Dyno, Peer, field};

const UPGRADE: &str = "GET /chat HTTP/1.1\r\nHost: shop.localhost\r\nConnection: keep-alive, Upgrade\r\n\
                       Upgrade: websocket\r\nSec-WebSocket-Key: abc\r\n\r\n";
const SWITCHED: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

async fn switched(site: &Site, dyno: &Dyno) -> (Peer, Peer) {
    let mut client = site.sends(UPGRADE).await;
    let mut connection = dyno.accept().await;
    let head = connection.head().await;
    assert_eq!((field(&head, "connection"), field(&head, "upgrade")), (Some("Upgrade"), Some("websocket")), "{head}");
    connection.send(SWITCHED).await;
    let head = client.head().await;
    assert!(head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{head}");
    assert_eq!((field(&head, "connection"), field(&head, "upgrade")), (Some("Upgrade"), Some("websocket")), "{head}");
    (client, connection)
}

#[tokio::test]
async fn bytes_go_both_ways_until_both_sides_close() {
    let site = Site::start().await;
    let dyno = site.dyno().await;
    let (mut client, mut connection) = switched(&site, &dyno).await;
    client.send("\0\x05\r\n\r\nGET").await;
    assert_eq!(connection.exactly(9).await, "\0\x05\r\n\r\nGET");
    connection.send("0123456789").await;
    assert_eq!(client.exactly(10).await, "0123456789");
    assert!(!site.router.drained(dyno_id(1), Duration::from_millis(50)).await);
    drop(connection);
    client.closed().await;
    drop(client);
    assert!(site.router.drained(dyno_id(1), Duration::from_secs(20)).await);
    let line = site.line().await;
    assert!(line.starts_with("at=info method=GET path=\"/chat\"") && line.contains(" status=101 bytes=10 "), "{line}");
}

#[tokio::test]
async fn nothing_that_follows_the_request_passes_before_the_101() {
    let site = Site::start().await;
    let dyno = site.dyno().await;
    let mut client = site.sends(format!("{UPGRADE}GET /admin HTTP/1.1\r\nHost: shop.localhost\r\n\r\n")).await;
    let mut connection = dyno.accept().await;
    connection.head().await;
    // The dyno declines: what followed must not reach it, as a request or at all.
    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno").await;
    let answer = client.rest().await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nno"), "{answer}");
    dyno.has_no_visitor().await;
    drop(site);
    connection.closed().await;
}

#[tokio::test]
async fn early_bytes_pass_after_the_101() {
    let site = Site::start().await;
    let dyno = site.dyno().await;
    let mut client = site.sends(format!("{UPGRADE}early")).await;
    let mut connection = dyno.accept().await;
    connection.head().await;
    connection.send(format!("{SWITCHED}first")).await;
    assert_eq!(connection.exactly(5).await, "early");
    client.head().await;
    assert_eq!(client.exactly(5).await, "first");
}

#[tokio::test]
async fn a_101_that_nobody_asked_for_is_h17() {
    let site = Site::start().await;
    let dyno = site.dyno().await;
    let mut client = site.sends("GET / HTTP/1.1\r\nHost: shop.localhost\r\nUpgrade: websocket\r\n\r\n").await;
    let mut connection = dyno.accept().await;
    assert_eq!(field(&connection.head().await, "upgrade"), None);
    connection.send(SWITCHED).await;
    assert!(client.head().await.starts_with("HTTP/1.1 503 "));
    assert!(site.line().await.starts_with("at=error code=H17 "));
}

#[tokio::test]
async fn a_tunnel_that_stands_still_is_h15() {
    let site = Site::with(|config| config.router.exchange.idle = Duration::from_millis(150)).await;
    let dyno = site.dyno().await;
    let (mut client, mut connection) = switched(&site, &dyno).await;
    client.closed().await;
    connection.closed().await;
    let line = site.line().await;
    assert!(line.starts_with("at=error code=H15 desc=\"Idle connection\""), "{line}");
}

#[tokio::test]
async fn a_tunnel_outlives_the_time_for_heads() {
    let site = Site::with(|config| {
        config.listener.head = Duration::from_millis(50);
        config.listener.idle = Duration::from_millis(50);
    })
    .await;
    let dyno = site.dyno().await;
    let (mut client, mut connection) = switched(&site, &dyno).await;
    for _ in 0..4 {
        client.send("a").await;
        connection.until("a").await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    connection.send("b").await;
    client.until("b").await;
}

#[tokio::test]
async fn a_router_that_stops_cuts_its_tunnels_after_the_grace() {
    let site = Site::with(|config| config.router.tunnel_grace = Duration::from_millis(50)).await;
    let dyno = site.dyno().await;
    let (mut client, mut connection) = switched(&site, &dyno).await;
    site.stopped().await;
    client.closed().await;
    connection.closed().await;
    assert!(site.line().await.starts_with("at=error code=H24 desc=\"Forced close\""));
}
