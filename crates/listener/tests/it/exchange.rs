//! How an exchange can go, well or not, and the line that tells of it.

use std::time::Duration;

use crate::site::Site;
use crate::wire::{Dyno, Peer};

const GET: &str = "GET / HTTP/1.1\r\nHost: shop.localhost\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
const SHORT: Duration = Duration::from_millis(150);

/// A site whose exchanges time out soon, and its dyno.
async fn impatient() -> (Site, Dyno) {
    let site = Site::with(|config| {
        config.router.exchange.first_byte = SHORT;
        config.router.exchange.idle = SHORT * 2;
        config.listener.stalled = SHORT * 2;
    })
    .await;
    let dyno = site.dyno().await;
    (site, dyno)
}

/// Client and dyno, after the dyno has read the head of a GET.
async fn asked(site: &Site, dyno: &Dyno) -> (Peer, Peer) {
    let client = site.sends(GET).await;
    let mut connection = dyno.accept().await;
    connection.head().await;
    (client, connection)
}

#[tokio::test]
async fn the_line_of_a_good_exchange() {
    let site = Site::start().await;
    let dyno = site.dyno().await;
    let mut client = site
        .sends(
            "GET /a\"b?c HTTP/1.1\r\nHost: Shop.localhost:80\r\nX-Request-Id: abcdefghijklmnopqrst\r\n\
             X-Forwarded-For: 9.9.9.9\r\n\r\n",
        )
        .await;
    let mut connection = dyno.accept().await;
    connection.head().await;
    connection.send("HTTP/1.1 201 Created\r\nContent-Length: 13\r\n\r\nHello, world!").await;
    client.message().await;
    let line = site.line().await;
    let (start, rest) = line.split_once(" connect=").unwrap();
    assert_eq!(
        start,
        r#"at=info method=GET path="/a\"b?c" host=shop.localhost request_id=abcdefghijklmnopqrst fwd="9.9.9.9, 127.0.0.1" dyno=web.1"#
    );
    let (connect, rest) = rest.split_once(" service=").unwrap();
    let (service, rest) = rest.split_once(' ').unwrap();
    for time in [connect, service] {
        assert!(time.strip_suffix("ms").unwrap().parse::<u64>().is_ok(), "{line}");
    }
    assert_eq!(rest, "status=201 bytes=13 protocol=http");
}

#[tokio::test]
async fn connections_are_kept_on_both_sides() {
    let site = Site::start().await;
    let dyno = site.dyno().await;
    let (mut client, mut connection) = asked(&site, &dyno).await;
    for _ in 0..3 {
        connection.send(OK).await;
        assert_eq!(client.message().await.1, "hi");
        client.send(GET).await;
        connection.head().await;
    }
    dyno.has_no_visitor().await;
}

#[tokio::test]
async fn a_request_on_a_connection_that_was_just_closed_goes_out_again() {
    let site = Site::start().await;
    let dyno = site.dyno().await;
    let (mut client, mut connection) = asked(&site, &dyno).await;
    connection.send(OK).await;
    client.message().await;
    // The dyno closes only after it has the next request in hand: the worst
    // moment, when the request is already written.
    client.send(GET).await;
    connection.head().await;
    drop(connection);
    let mut second = dyno.accept().await;
    second.head().await;
    second.send(OK).await;
    assert_eq!(client.message().await.1, "hi");
    assert!(site.line().await.starts_with("at=info "));
    assert!(site.line().await.starts_with("at=info "));
}

#[tokio::test]
async fn a_request_that_may_have_been_carried_out_does_not_go_out_again() {
    let site = Site::start().await;
    let dyno = site.dyno().await;
    let (mut client, mut connection) = asked(&site, &dyno).await;
    connection.send(OK).await;
    client.message().await;
    client.send("POST / HTTP/1.1\r\nHost: shop.localhost\r\nContent-Length: 0\r\n\r\n").await;
    connection.head().await;
    drop(connection);
    assert!(client.head().await.starts_with("HTTP/1.1 503 "));
    site.line().await;
    assert!(site.line().await.starts_with("at=error code=H13 desc=\"Connection closed without response\" method=POST"));
    dyno.has_no_visitor().await;
}

#[tokio::test]
async fn a_dyno_that_does_not_answer_is_h12() {
    let (site, dyno) = impatient().await;
    let (mut client, mut connection) = asked(&site, &dyno).await;
    let (head, body) = client.message().await;
    assert!(head.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{head}");
    assert!(body.contains("<h1>Application error</h1>") && body.contains("H12"), "{body}");
    let line = site.line().await;
    assert!(line.starts_with("at=error code=H12 desc=\"Request timeout\" method=GET"), "{line}");
    assert!(line.contains(" dyno=web.1 ") && line.contains(" status=503 bytes=0 "), "{line}");
    connection.closed().await;
}

#[tokio::test]
async fn an_upload_does_not_count_against_the_first_byte() {
    let (site, dyno) = impatient().await;
    let mut client = site.sends("POST / HTTP/1.1\r\nHost: shop.localhost\r\nContent-Length: 4\r\n\r\n").await;
    let mut connection = dyno.accept().await;
    connection.head().await;
    let started = tokio::time::Instant::now();
    for piece in ["a", "b", "c", "d"] {
        tokio::time::sleep(SHORT).await;
        client.send(piece).await;
        connection.until(piece).await;
    }
    assert!(started.elapsed() > SHORT * 3);
    connection.send(OK).await;
    assert_eq!(client.message().await.1, "hi");
    assert!(site.line().await.starts_with("at=info "));
}

#[tokio::test]
async fn a_client_that_stops_in_its_upload_is_h28() {
    let (site, dyno) = impatient().await;
    let mut client = site.sends("POST / HTTP/1.1\r\nHost: shop.localhost\r\nContent-Length: 4\r\n\r\na").await;
    let mut connection = dyno.accept().await;
    connection.until("\r\n\r\na").await;
    client.rest().await;
    let line = site.line().await;
    assert!(line.starts_with("at=warning code=H28 desc=\"Client Connection Idle\" method=POST"), "{line}");
    assert!(line.contains(" status=499 "), "{line}");
}

#[tokio::test]
async fn a_dyno_that_closes_without_a_byte_is_h13() {
    let site = Site::start().await;
    let dyno = site.dyno().await;
    let (mut client, connection) = asked(&site, &dyno).await;
    drop(connection);
    assert!(client.head().await.starts_with("HTTP/1.1 503 "));
    assert!(site.line().await.starts_with("at=error code=H13 desc=\"Connection closed without response\""));
}

#[tokio::test]
async fn a_dyno_that_closes_in_its_head_or_body_is_h18() {
    for half in [
        "HTTP/1.1 200 O",
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    ] {
        let site = Site::start().await;
        let dyno = site.dyno().await;
        let mut client = site.sends("GET / HTTP/1.1\r\nHost: shop.localhost\r\nConnection: close\r\n\r\n").await;
        let mut connection = dyno.accept().await;
        connection.head().await;
        connection.send(half).await;
        drop(connection);
        let answer = client.rest().await;
        assert!(!answer.ends_with("0\r\n\r\n"), "a broken answer must not look whole: {answer}");
        let line = site.line().await;
        assert!(line.starts_with("sock=backend at=error code=H18 desc=\"Server Request Interrupted\""), "{line}");
        let bytes = if half.contains("half") { "bytes=4" } else { "bytes=0" };
        assert!(line.contains(" status=503 ") && line.contains(bytes), "{line}");
    }
}

#[tokio::test]
async fn a_dyno_that_pauses_in_its_answer_is_h15() {
    let (site, dyno) = impatient().await;
    let (mut client, mut connection) = asked(&site, &dyno).await;
    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf").await;
    assert!(client.rest().await.ends_with("half"));
    let line = site.line().await;
    assert!(line.starts_with("at=error code=H15 desc=\"Idle connection\""), "{line}");
    assert!(line.contains(" status=503 bytes=4 "), "{line}");
    connection.closed().await;
}

#[tokio::test]
async fn each_byte_of_an_answer_starts_the_idle_time_again() {
    let (site, dyno) = impatient().await;
    let (mut client, mut connection) = asked(&site, &dyno).await;
    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n").await;
    for _ in 0..5 {
        tokio::time::sleep(SHORT).await;
        connection.send("a").await;
    }
    assert_eq!(client.message().await.1, "aaaaa");
    assert!(site.line().await.starts_with("at=info "));
}

#[tokio::test]
async fn what_is_no_http_is_h17() {
    for nonsense in ["SSH-2.0-OpenSSH_9.2\r\n\r\n", "HTTP/1.1 abc Bad\r\n\r\n", "HTTP/1.1 200 OK\r\nno colon\r\n\r\n"] {
        let site = Site::start().await;
        let dyno = site.dyno().await;
        let (mut client, mut connection) = asked(&site, &dyno).await;
        connection.send(nonsense).await;
        assert!(client.head().await.starts_with("HTTP/1.1 503 "), "{nonsense:?}");
        assert!(site.line().await.starts_with("at=error code=H17 desc=\"Poorly formatted HTTP response\""));
    }
}

#[tokio::test]
async fn a_client_that_leaves_is_h27_and_its_dyno_is_let_go() {
    let site = Site::start().await;
    let dyno = site.dyno().await;
    let (client, mut connection) = asked(&site, &dyno).await;
    drop(client);
    let line = site.line().await;
    assert!(line.starts_with("sock=client at=warning code=H27 desc=\"Client Request Interrupted\""), "{line}");
    assert!(line.contains(" dyno=web.1 ") && line.contains(" status=499 "), "{line}");
    connection.closed().await;
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_h28() {
    let (site, dyno) = impatient().await;
    let (client, mut connection) = asked(&site, &dyno).await;
    // More than all socket buffers on the way hold.
    let much = 64 * 1024 * 1024;
    connection.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {much}\r\n\r\n")).await;
    let piece = vec![b'a'; 64 * 1024];
    let pushing = tokio::spawn(async move {
        use tokio::io::AsyncWriteExt;
        while connection.stream.write_all(&piece).await.is_ok() {}
    });
    let line = site.line().await;
    assert!(line.starts_with("at=warning code=H28 desc=\"Client Connection Idle\""), "{line}");
    pushing.await.unwrap();
    drop(client);
}

#[tokio::test]
async fn a_bad_chunk_from_the_client_is_h26() {
    let site = Site::start().await;
    let dyno = site.dyno().await;
    let head = "POST / HTTP/1.1\r\nHost: shop.localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut client = site.sends(head.to_owned() + "1\r\na\r\n").await;
    let mut connection = dyno.accept().await;
    connection.until("a\r\n").await;
    client.send("xyz\r\n").await;
    assert!(client.rest().await.starts_with("HTTP/1.1 400 Bad Request\r\n"));
    assert!(site.line().await.starts_with("at=error code=H26 desc=\"Request Error\" cause=\"bad chunk\""));
    assert!(!connection.rest().await.contains("0\r\n\r\n"), "a broken body must not look whole");
}

#[tokio::test]
async fn an_answer_before_the_end_of_the_upload_reaches_the_client() {
    let site = Site::start().await;
    let dyno = site.dyno().await;
    let mut client = site.sends("POST / HTTP/1.1\r\nHost: shop.localhost\r\nContent-Length: 100000\r\n\r\nabc").await;
    let mut connection = dyno.accept().await;
    connection.until("abc").await;
    connection.send("HTTP/1.1 413 Payload Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno").await;
    drop(connection);
    let (head, body) = client.message().await;
    assert!(head.starts_with("HTTP/1.1 413 "), "{head}");
    assert_eq!(body, "no");
    assert!(site.line().await.contains(" status=413 bytes=2 "));
}
