//! How large a request's and an answer's head may be.

use crate::site::Site;

async fn status_of(request: String) -> String {
    let site = Site::start().await;
    let dyno = site.dyno().await.answering("hi");
    site.served_by(&[dyno.address()]);
    let mut client = site.sends(request).await;
    client.until("\r\n").await
}

fn get(path: &str, lines: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: shop.localhost\r\n{lines}\r\n")
}

#[tokio::test]
async fn long_lines_are_refused_and_long_heads_are_not() {
    let bad = "HTTP/1.1 400 Bad Request\r\n";
    let fine = "HTTP/1.1 200 OK\r\n";
    assert_eq!(status_of(get(&format!("/{}", "a".repeat(9000)), "")).await, bad);
    assert_eq!(status_of(get(&format!("/{}", "a".repeat(8000)), "")).await, fine);
    assert_eq!(status_of(get("/", &format!("X-A: {}\r\n", "a".repeat(20_000)))).await, bad);
    let many: String = (0..300).map(|number| format!("X-{number}: {}\r\n", "a".repeat(500))).collect();
    assert_eq!(status_of(get("/", &many)).await, fine);
    let too_many: String = (0..1000).map(|number| format!("X-{number}: a\r\n")).collect();
    assert_eq!(status_of(get("/", &too_many)).await, "HTTP/1.1 431 Request Header Fields Too Large\r\n");
}

/// The access line's beginning for this answer of a dyno.
async fn line_for(answer: String) -> String {
    let site = Site::start().await;
    let dyno = site.dyno().await;
    let mut client = site.sends(get("/", "")).await;
    let mut connection = dyno.accept().await;
    connection.head().await;
    connection.send(answer).await;
    assert!(client.head().await.starts_with("HTTP/1.1 502 Bad Gateway\r\n"));
    site.line().await.split(" method").next().unwrap().to_owned()
}

#[tokio::test]
async fn answers_that_pass_a_limit_are_h25() {
    let cookie = format!("HTTP/1.1 200 OK\r\nSet-Cookie: {}\r\nContent-Length: 0\r\n\r\n", "a".repeat(8192));
    assert_eq!(line_for(cookie).await, r#"at=error code=H25 desc="HTTP restriction: oversized cookie""#);
    let header = format!("HTTP/1.1 200 OK\r\nX-A: {}\r\nContent-Length: 0\r\n\r\n", "a".repeat(512 * 1024));
    assert_eq!(line_for(header).await, r#"at=error code=H25 desc="HTTP restriction: oversized header""#);
    let status = format!("HTTP/1.1 200 {}\r\nContent-Length: 0\r\n\r\n", "a".repeat(8192));
    assert_eq!(line_for(status).await, r#"at=error code=H25 desc="HTTP restriction: oversized status line""#);
    let lengths = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab".to_owned();
    assert_eq!(line_for(lengths).await, r#"at=error code=H25 desc="HTTP restriction: invalid content length""#);
}
