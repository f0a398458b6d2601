//! Which dyno gets a request, what an app without one answers, and how a dyno
//! leaves without losing a request.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use router::AppState;

use crate::site::{Site, backend, dyno_id};
use crate::wire::{Dyno, field, in_time};

const GET: &str = "GET / HTTP/1.1\r\nHost: shop.localhost\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

/// An address at which nothing listens any more.
async fn nobody() -> std::net::SocketAddr {
    Dyno::listen().await.address()
}

#[tokio::test]
async fn a_host_that_no_app_has_is_404() {
    let site = Site::start().await;
    let mut client = site.sends("GET / HTTP/1.1\r\nHost: nope.localhost\r\n\r\n").await;
    let (head, body) = client.message().await;
    assert!(head.starts_with("HTTP/1.1 404 Not Found\r\n"), "{head}");
    assert_eq!(field(&head, "cache-control"), Some("no-cache, no-store"));
    assert!(body.contains("<h1>No such app</h1>") && body.contains("nope.localhost"), "{body}");
}

#[tokio::test]
async fn an_app_without_a_dyno_says_why() {
    let site = Site::start().await;
    for (state, start, title) in [
        (AppState::Maintenance, r#"at=info code=H80 desc="Maintenance mode""#, "Offline for maintenance"),
        (AppState::Blank, r#"at=info code=H81 desc="Blank app""#, "No code yet"),
        (AppState::NoWebDynos, r#"at=error code=H14 desc="No web processes running""#, "Application error"),
        (AppState::Crashed, r#"at=error code=H10 desc="App crashed""#, "Application error"),
    ] {
        site.shop(state);
        let (head, body) = site.sends(GET).await.message().await;
        assert!(head.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{head}");
        assert!(body.contains(&format!("<h1>{title}</h1>")), "{body}");
        let line = site.line().await;
        assert!(line.starts_with(&format!("{start} method=GET path=\"/\" host=shop.localhost request_id=")), "{line}");
        assert!(line.ends_with(" dyno= connect= service= status=503 bytes= protocol=http"), "{line}");
    }
}

#[tokio::test]
async fn programs_get_errors_in_their_own_format() {
    let site = Site::start().await;
    site.shop(AppState::Crashed);
    let ask = |accept: &str| format!("GET / HTTP/1.1\r\nHost: shop.localhost\r\nAccept: {accept}\r\n\r\n");
    let (head, body) = site.sends(ask("application/json")).await.message().await;
    assert_eq!(field(&head, "content-type"), Some("application/json"));
    assert!(body.starts_with('{') && body.contains(r#""code":"H10""#), "{body}");
    let (head, body) = site.sends(ask("text/plain")).await.message().await;
    assert_eq!(field(&head, "content-type"), Some("text/plain; charset=utf-8"));
    assert!(body.starts_with("Application error\n"), "{body}");
}

#[tokio::test]
async fn a_custom_domain_leads_to_its_app() {
    let site = Site::start().await;
    let dyno = site.dyno().await;
    let _client = site.sends("GET / HTTP/1.1\r\nHost: Shop.Example.com\r\n\r\n").await;
    assert_eq!(field(&dyno.accept().await.head().await, "host"), Some("Shop.Example.com"));
}

#[tokio::test]
async fn a_request_waits_for_a_starting_dyno() {
    let site = Site::start().await;
    let dyno = Dyno::listen().await;
    site.shop(AppState::Starting);
    let mut client = site.sends("POST / HTTP/1.1\r\nHost: shop.localhost\r\nContent-Length: 3\r\n\r\nabc").await;
    // Other news of the table changes nothing for it.
    site.shop(AppState::Starting);
    site.shop(AppState::Serving(Vec::new()));
    site.served_by(&[dyno.address()]);
    let mut connection = dyno.accept().await;
    assert_eq!(connection.message().await.1, "abc");
    connection.send(OK).await;
    assert_eq!(client.message().await.1, "hi");
}

#[tokio::test]
async fn a_waiting_request_hears_that_its_app_has_crashed() {
    let site = Site::start().await;
    site.shop(AppState::Starting);
    let mut client = site.sends(GET).await;
    site.shop(AppState::Crashed);
    assert!(client.message().await.1.contains("H10"));
}

#[tokio::test]
async fn a_dyno_that_does_not_start_is_h20() {
    let site = Site::with(|config| config.router.boot_wait = Duration::from_millis(100)).await;
    site.shop(AppState::Starting);
    assert!(site.sends(GET).await.message().await.1.contains("H20"));
    assert!(site.line().await.starts_with(r#"at=error code=H20 desc="App boot timeout""#));
}

#[tokio::test]
async fn a_dyno_that_refuses_is_passed_over_and_left_alone() {
    let site = Site::start().await;
    let dyno = Dyno::listen().await.answering("hi");
    site.served_by(&[nobody().await, nobody().await, nobody().await, dyno.address()]);
    for _ in 0..20 {
        assert_eq!(site.sends(GET).await.message().await.1, "hi");
        let line = site.line().await;
        assert!(line.starts_with("at=info ") && line.contains(" dyno=web.4 "), "{line}");
    }
}

#[tokio::test]
async fn when_all_refuse_it_is_h21_after_ten_tries_at_most() {
    let site = Site::start().await;
    site.served_by(&[nobody().await, nobody().await]);
    assert!(site.sends(GET).await.message().await.1.contains("H21"));
    let line = site.line().await;
    assert!(line.starts_with(r#"at=error code=H21 desc="Backend connection refused""#), "{line}");
    assert!(line.contains("ms service= status=503 bytes= "), "{line}");

    let mut many = Vec::new();
    for _ in 0..12 {
        many.push(nobody().await);
    }
    site.served_by(&many);
    assert!(site.sends(GET).await.message().await.1.contains("H21"));
}

#[tokio::test]
async fn a_quarantine_ends() {
    let site = Site::with(|config| config.router.quarantine = Duration::from_millis(200)).await;
    let address = nobody().await;
    site.served_by(&[address]);
    assert!(site.sends(GET).await.message().await.1.contains("H21"));
    let listener = tokio::net::TcpListener::bind(address).await.unwrap();
    let mut client = site.sends(GET).await;
    let (stream, _) = in_time("the second try", listener.accept()).await.unwrap();
    let mut connection = crate::wire::Peer::new(stream);
    connection.head().await;
    connection.send(OK).await;
    assert_eq!(client.message().await.1, "hi");
}

#[tokio::test]
async fn when_all_stay_quarantined_it_is_h99() {
    let site = Site::with(|config| config.router.boot_wait = Duration::from_millis(100)).await;
    site.served_by(&[nobody().await]);
    assert!(site.sends(GET).await.message().await.1.contains("H21"));
    assert!(site.sends(GET).await.message().await.1.contains("H99"));
}

#[tokio::test]
async fn a_dyno_that_takes_no_connection_is_h19() {
    let site = Site::with(|config| config.router.exchange.connect = Duration::from_millis(100)).await;
    // A listener whose queue is full drops further attempts to connect.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut queue = Vec::new();
    while let Ok(connected) =
        tokio::time::timeout(Duration::from_millis(300), tokio::net::TcpStream::connect(address)).await
    {
        queue.push(connected.unwrap());
        assert!(queue.len() < 100);
    }
    site.served_by(&[address]);
    assert!(site.sends(GET).await.message().await.1.contains("H19"));
    assert!(site.line().await.starts_with(r#"at=error code=H19 desc="Backend connection timeout""#));
}

#[tokio::test]
async fn too_many_requests_at_once_are_h11() {
    let site = Site::with(|config| config.router.in_flight_per_dyno = 2).await;
    let dyno = site.dyno().await;
    let _first = site.sends(GET).await;
    let _second = site.sends(GET).await;
    let (mut one, mut two) = (dyno.accept().await, dyno.accept().await);
    one.head().await;
    two.head().await;
    assert!(site.sends(GET).await.message().await.1.contains("H11"));
    assert!(site.line().await.starts_with(r#"at=error code=H11 desc="Backlog too deep""#));
    one.send(OK).await;
    site.line().await;
    // There is room again.
    let mut third = site.sends(GET).await;
    one.head().await;
    one.send(OK).await;
    assert_eq!(third.message().await.1, "hi");
}

#[tokio::test]
async fn drained_waits_for_what_is_in_flight_and_unused_connections_close() {
    let site = Site::start().await;
    let (old, new) = (Dyno::listen().await, Dyno::listen().await);
    site.served_by(&[old.address()]);
    // One connection in use, one unused.
    let mut unused_client = site.sends(GET).await;
    let mut unused = old.accept().await;
    let mut client = site.sends(GET).await;
    let mut connection = old.accept().await;
    unused.head().await;
    connection.head().await;
    unused.send(OK).await;
    unused_client.message().await;

    site.shop(AppState::Serving(vec![backend(2, new.address())]));
    unused.closed().await;
    let moment = Duration::from_millis(50);
    assert!(!site.router.drained(dyno_id(1), moment).await);
    connection.send(OK).await;
    assert_eq!(client.message().await.1, "hi");
    assert!(site.router.drained(dyno_id(1), Duration::from_secs(20)).await);
    connection.closed().await;
}

/// Ten releases while eight clients ask without pause: every request is
/// answered, and none by a dyno that was told to stop.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn releases_under_load_lose_no_request() {
    let site = Arc::new(Site::start().await);
    let mut dyno = Dyno::listen().await.answering("hi");
    site.shop(AppState::Serving(vec![backend(1, dyno.address())]));
    let over = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..8)
        .map(|number| {
            let (site, over) = (site.clone(), over.clone());
            tokio::spawn(async move {
                let mut answered = 0;
                let mut client = site.connect().await;
                while !over.load(Ordering::Relaxed) {
                    // Half of them connect anew each time.
                    if number % 2 == 0 {
                        client = site.connect().await;
                    }
                    client.send(if number % 3 == 0 { GET.replace("GET", "DELETE") } else { GET.to_owned() }).await;
                    let (head, body) = client.message().await;
                    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}{body}");
                    answered += 1;
                }
                answered
            })
        })
        .collect();
    for number in 2..=11 {
        // Some requests of each release; the lines tell that they were answered.
        for _ in 0..100 {
            let line = site.line().await;
            assert!(line.starts_with("at=info "), "{line}");
        }
        let next = Dyno::listen().await.answering("hi");
        site.shop(AppState::Serving(vec![backend(number, next.address())]));
        assert!(site.router.drained(dyno_id(number - 1), Duration::from_secs(20)).await);
        dyno = next;
    }
    over.store(true, Ordering::Relaxed);
    let mut answered = 0;
    for client in clients {
        answered += client.await.unwrap();
    }
    assert!(answered >= 1000, "{answered}");
    drop(dyno);
}
