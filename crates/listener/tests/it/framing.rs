//! What is one message, where it ends, and what of it travels on.

use crate::site::Site;
use crate::wire::field;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

/// The answer's status and whether the dyno got to see anything.
async fn refused(request: impl AsRef<[u8]>) -> String {
    let site = Site::start().await;
    let dyno = site.dyno().await;
    let answer = site.sends(request).await.rest().await;
    dyno.has_no_visitor().await;
    answer.split("\r\n").next().unwrap().to_owned()
}

#[tokio::test]
async fn contradictory_or_malformed_framing_is_refused() {
    for lines in [
        "Content-Length: 1\r\nContent-Length: 2\r\n",
        "Content-Length: 2,3\r\n",
        "Content-Length: +2\r\n",
        "Content-Length: 2 2\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "X-Name : a\r\n",
        "X-Name: a\r\n folded\r\n",
        "X-Name: a\0b\r\n",
    ] {
        let request = format!("POST / HTTP/1.1\r\nHost: shop.localhost\r\n{lines}\r\nabc");
        assert_eq!(refused(request).await, "HTTP/1.1 400 Bad Request", "{lines:?}");
    }
    let old = "POST / HTTP/1.0\r\nHost: shop.localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    assert_eq!(refused(old).await, "HTTP/1.1 400 Bad Request");
}

#[tokio::test]
async fn there_must_be_one_host() {
    for head in [
        "GET / HTTP/1.1\r\n",
        "GET / HTTP/1.1\r\nHost: shop.localhost\r\nHost: shop.localhost\r\n",
        "GET / HTTP/1.1\r\nHost: \r\n",
        "GET / HTTP/1.1\r\nHost: shop.localhost/x\r\n",
        "GET http://other.localhost/ HTTP/1.1\r\nHost: shop.localhost\r\n",
        "GET /\u{e9} HTTP/1.1\r\nHost: shop.localhost\r\n",
    ] {
        assert_eq!(refused(format!("{head}Content-Length: 0\r\n\r\n")).await, "HTTP/1.1 400 Bad Request", "{head:?}");
    }
}

#[tokio::test]
async fn equal_lengths_are_merged() {
    let site = Site::start().await;
    let dyno = site.dyno().await;
    let request = "POST / HTTP/1.1\r\nHost: shop.localhost\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc";
    let _client = site.sends(request).await;
    let (head, body) = dyno.accept().await.message().await;
    assert_eq!(head.to_lowercase().matches("content-length").count(), 1, "{head}");
    assert_eq!(body, "abc");
}

#[tokio::test]
async fn chunked_wins_over_a_length_and_ends_the_connection() {
    for lines in ["Content-Length: 5\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 5"]
    {
        let site = Site::start().await;
        let dyno = site.dyno().await;
        let smuggled = "GET /smuggled HTTP/1.1\r\nHost: shop.localhost\r\n\r\n";
        let request = format!("POST / HTTP/1.1\r\nHost: shop.localhost\r\n{lines}\r\n\r\n0\r\n\r\n{smuggled}");
        let mut client = site.sends(request).await;
        let mut connection = dyno.accept().await;
        let head = connection.head().await;
        assert_eq!(field(&head, "content-length"), None, "{head}");
        assert_eq!(field(&head, "transfer-encoding"), Some("chunked"), "{head}");
        assert_eq!(connection.until("0\r\n\r\n").await, "0\r\n\r\n");
        connection.send(OK).await;
        assert_eq!(client.rest().await.matches("HTTP/1.1 ").count(), 1);
        dyno.has_no_visitor().await;
    }
}

/// Heroku asks for CRLF. hyper takes a bare LF too, with no way to forbid it,
/// so the request passes; at least it reaches the dyno in proper form.
#[tokio::test]
async fn bare_line_feeds_are_taken_but_not_passed_on() {
    let site = Site::start().await;
    let dyno = site.dyno().await;
    let _client = site.sends("GET / HTTP/1.1\nHost: shop.localhost\nX-A: b\n\n").await;
    let head = dyno.accept().await.head().await;
    assert_eq!(head.matches('\n').count(), head.matches("\r\n").count());
    assert_eq!(field(&head, "x-a"), Some("b"));
}

#[tokio::test]
async fn the_dyno_sees_the_request_as_it_was_with_what_the_router_knows() {
    let site = Site::start().await;
    let dyno = site.dyno().await;
    let _client = site
        .sends(
            "GET /a/../b?c=%20d HTTP/1.1\r\nHost: Shop.localhost:5000\r\nX-CuStOm: One\r\nx-custom: two\r\n\
             Connection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nProxy-Connection: x\r\n\
             X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\nX-Request-ID: abcdefghijklmnopqrstuv\r\n\r\n",
        )
        .await;
    let head = dyno.accept().await.head().await;
    assert!(head.starts_with("GET /a/../b?c=%20d HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("\r\nHost: Shop.localhost:5000\r\n"), "{head}");
    assert!(head.contains("\r\nX-CuStOm: One\r\n") && head.contains("\r\nx-custom: two\r\n"), "{head}");
    for gone in ["connection", "x-hop", "keep-alive", "proxy-connection"] {
        assert_eq!(field(&head, gone), None, "{head}");
    }
    assert_eq!(field(&head, "x-forwarded-for"), Some("1.2.3.4, 127.0.0.1"));
    assert_eq!(field(&head, "x-forwarded-proto"), Some("http"));
    assert_eq!(field(&head, "x-forwarded-port"), Some(site.address.port().to_string().as_str()));
    assert_eq!(field(&head, "x-request-id"), Some("abcdefghijklmnopqrstuv"));
    assert_eq!(field(&head, "via"), Some("1.1 heroku-router"));
    assert!(field(&head, "x-request-start").is_some_and(|start| start.parse::<u64>().is_ok()));
}

#[tokio::test]
async fn an_absolute_target_becomes_a_path() {
    let site = Site::start().await;
    let dyno = site.dyno().await;
    let _client = site.sends("GET http://shop.localhost/x?y HTTP/1.1\r\nHost: shop.localhost\r\n\r\n").await;
    assert!(dyno.accept().await.head().await.starts_with("GET /x?y HTTP/1.1\r\n"));
}

#[tokio::test]
async fn the_answer_keeps_its_case_reason_and_cookies_and_loses_its_hops() {
    let site = Site::start().await;
    let dyno = site.dyno().await;
    let mut client = site.sends("GET / HTTP/1.1\r\nHost: shop.localhost\r\n\r\n").await;
    let mut connection = dyno.accept().await;
    connection.head().await;
    connection
        .send(
            "HTTP/1.1 299 Well Done\r\nX-CuStOm: One\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d\r\nContent-Length: 2\r\n\
             Connection: keep-alive, X-Hop\r\nX-Hop: 1\r\n\r\nhi",
        )
        .await;
    let (head, body) = client.message().await;
    assert!(head.starts_with("HTTP/1.1 299 Well Done\r\n"), "{head}");
    assert!(head.contains("\r\nX-CuStOm: One\r\n"), "{head}");
    assert_eq!(head.matches("Set-Cookie: ").count(), 2, "{head}");
    assert_eq!((field(&head, "x-hop"), field(&head, "connection")), (None, None), "{head}");
    assert_eq!(field(&head, "via"), Some("1.1 heroku-router"));
    assert_eq!(body, "hi");
}

#[tokio::test]
async fn chunks_stream_both_ways_as_they_come() {
    let site = Site::start().await;
    let dyno = site.dyno().await;
    let mut client =
        site.sends("POST / HTTP/1.1\r\nHost: shop.localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n").await;
    let mut connection = dyno.accept().await;
    connection.head().await;
    assert_eq!(connection.until("one\r\n").await, "3\r\none\r\n");
    connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n").await;
    let head = client.head().await;
    assert_eq!(field(&head, "transfer-encoding"), Some("chunked"), "{head}");
    assert_eq!(client.until("first\r\n").await, "5\r\nfirst\r\n");
    client.send("3\r\ntwo\r\n0\r\n\r\n").await;
    assert_eq!(connection.until("0\r\n\r\n").await, "3\r\ntwo\r\n0\r\n\r\n");
    connection.send("0\r\n\r\n").await;
    assert_eq!(client.until("0\r\n\r\n").await, "0\r\n\r\n");
    assert!(site.line().await.contains(" status=200 bytes=5 "));
}

/// hyper passes a trailer on only if `Trailer` announced it and, to a client,
/// only if that sent `TE: trailers`.
#[tokio::test]
async fn announced_trailers_reach_a_client_that_wants_them() {
    let site = Site::start().await;
    let dyno = site.dyno().await;
    let mut client = site.sends("GET / HTTP/1.1\r\nHost: shop.localhost\r\nTE: trailers\r\n\r\n").await;
    let mut connection = dyno.accept().await;
    assert_eq!(field(&connection.head().await, "te"), Some("trailers"));
    connection
        .send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n1\r\na\r\n0\r\nX-Sum: 7\r\n\r\n")
        .await;
    client.head().await;
    let rest = client.until("\r\n\r\n").await;
    assert_eq!(rest.to_lowercase(), "1\r\na\r\n0\r\nx-sum: 7\r\n\r\n");
}

#[tokio::test]
async fn answers_without_body_are_not_waited_for() {
    for (method, head) in [
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"),
        ("HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
        ("GET", "HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n"),
    ] {
        let site = Site::start().await;
        let dyno = site.dyno().await;
        let request = format!("{method} / HTTP/1.1\r\nHost: shop.localhost\r\n\r\n");
        let mut client = site.sends(&request).await;
        let mut connection = dyno.accept().await;
        connection.head().await;
        connection.send(head).await;
        let answer = client.head().await;
        assert_eq!(answer.lines().next(), head.lines().next());
        if head.contains("500") {
            assert_eq!(field(&answer, "content-length"), Some("500"), "{answer}");
        }
        assert!(site.line().await.contains(" bytes=0 "));
        // The same connections take the next request.
        client.send(request).await;
        connection.head().await;
        connection.send(head).await;
        client.head().await;
    }
}

#[tokio::test]
async fn an_answer_that_ends_with_its_connection_is_chunked_for_the_client() {
    let site = Site::start().await;
    let dyno = site.dyno().await;
    let mut client = site.sends("GET / HTTP/1.1\r\nHost: shop.localhost\r\n\r\n").await;
    let mut connection = dyno.accept().await;
    connection.head().await;
    connection.send("HTTP/1.0 200 OK\r\n\r\nall of it").await;
    drop(connection);
    assert_eq!(field(&client.head().await, "transfer-encoding"), Some("chunked"));
    assert_eq!(client.until("0\r\n\r\n").await, "9\r\nall of it\r\n0\r\n\r\n");
}

#[tokio::test]
async fn an_http_1_0_client_gets_no_chunks() {
    let site = Site::start().await;
    let dyno = site.dyno().await;
    let mut client = site.sends("GET / HTTP/1.0\r\nHost: shop.localhost\r\n\r\n").await;
    let mut connection = dyno.accept().await;
    assert!(connection.head().await.starts_with("GET / HTTP/1.1\r\n"));
    connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n").await;
    let answer = client.rest().await;
    assert!(answer.ends_with("\r\n\r\nhi"), "{answer}");
    assert!(!answer.to_lowercase().contains("transfer-encoding"), "{answer}");
}

#[tokio::test]
async fn a_client_that_expects_100_gets_it_from_the_router() {
    let site = Site::start().await;
    let dyno = site.dyno().await;
    let head = "POST / HTTP/1.1\r\nHost: shop.localhost\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n";
    let mut client = site.sends(head).await;
    assert_eq!(client.head().await, "HTTP/1.1 100 Continue\r\n\r\n");
    client.send("abc").await;
    let mut connection = dyno.accept().await;
    let (head, body) = connection.message().await;
    assert_eq!((field(&head, "expect"), body.as_str()), (None, "abc"));
    connection.send(OK).await;
    assert!(client.head().await.starts_with("HTTP/1.1 200 OK\r\n"));
}

#[tokio::test]
async fn another_expectation_fails() {
    let request = "POST / HTTP/1.1\r\nHost: shop.localhost\r\nContent-Length: 0\r\nExpect: 200-ok\r\n\r\n";
    assert_eq!(refused(request).await, "HTTP/1.1 417 Expectation Failed");
}

/// Heroku passes 103 on to HTTP/1.1 clients; hyper's server can't send one.
#[tokio::test]
async fn informational_answers_are_dropped_and_the_final_one_comes() {
    let site = Site::start().await;
    let dyno = site.dyno().await;
    let mut client = site.sends("GET / HTTP/1.1\r\nHost: shop.localhost\r\n\r\n").await;
    let mut connection = dyno.accept().await;
    connection.head().await;
    connection.send("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n").await;
    connection.send(OK).await;
    let (head, body) = client.message().await;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert_eq!(body, "hi");
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let site = Site::start().await;
    let dyno = site.dyno().await;
    let request = |path: &str| format!("GET /{path} HTTP/1.1\r\nHost: shop.localhost\r\n\r\n");
    let mut client = site.sends(request("1") + &request("2")).await;
    let mut connection = dyno.accept().await;
    for path in ["1", "2"] {
        assert!(connection.head().await.starts_with(&format!("GET /{path} ")));
        connection.send(format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{path}")).await;
    }
    assert_eq!(client.message().await.1, "1");
    assert_eq!(client.message().await.1, "2");
}
