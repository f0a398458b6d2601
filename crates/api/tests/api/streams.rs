//! Logs over server-sent events and as plain text, as long as they last.

use std::time::Duration;

use axum::body::Body;
use domain::App;
use http::Method;
use http_body_util::BodyExt;
use jiff::Timestamp;
use logs::{Line, Source};
use serde_json::{Value, json};

use crate::harness::Server;

fn say(server: &Server, app: &App, process: &str, text: &str) {
    let source = if process == "router" { Source::Heroku } else { Source::App };
    let line = Line { at: Timestamp::now(), source, process: process.to_owned(), text: text.to_owned().into() };
    server.platform.logs.append(app.id, line);
}

async fn session(server: &Server, app: &str, wish: Value) -> String {
    let session = server.operator().post(&format!("/apps/{app}/log-sessions"), wish).await.created();
    session["logplex_url"].as_str().unwrap().strip_prefix("https://localhost:5000").unwrap().to_owned()
}

/// Reads until the text holds `wanted`; the test's own timeout ends it else.
async fn read_until(body: &mut Body, wanted: &str) -> String {
    let mut text = String::new();
    let read = async {
        while !text.contains(wanted) {
            let frame = body.frame().await.expect("the stream goes on").unwrap();
            text.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
        }
    };
    let outcome = tokio::time::timeout(Duration::from_secs(20), read).await;
    assert!(outcome.is_ok(), "no `{wanted}` in {text}");
    text
}

#[tokio::test]
async fn plain_text_for_those_who_ask_for_nothing_else() {
    let server = Server::start().await;
    let app = server.app("plain").await;
    say(&server, &app, "web.1", "hello");
    say(&server, &app, "router", "at=info");
    let url = session(&server, "plain", json!({ "source": "app", "dyno": "web", "lines": 5, "tail": false })).await;
    let read = server.stranger().get(&url).await;
    assert_eq!(read.text_of("content-type"), "text/plain; charset=utf-8");
    assert!(read.text.ends_with(" app[web.1]: hello\n") && read.text.lines().count() == 1, "{}", read.text);
    let url = session(&server, "plain", json!({ "dyno_name": "router", "lines": 5 })).await;
    assert!(server.stranger().get(&url).await.text.ends_with(" heroku[router]: at=info\n"));
    let bad = server.operator().post("/apps/plain/log-sessions", json!({ "source": "moon" })).await;
    bad.refused(422, "invalid_params");
}

#[tokio::test]
async fn events_are_followed_and_resumed_without_a_line_twice() {
    let server = Server::start_with(|config| config.heartbeat = Duration::from_millis(20)).await;
    let app = server.app("followed").await;
    say(&server, &app, "web.1", "one");
    let url = session(&server, "followed", json!({ "dyno": "web.1", "lines": 10, "tail": true })).await;
    let client = server.stranger().header("accept", "text/event-stream");
    let response = client.stream(Method::GET, &url, Body::empty()).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut body = response.into_body();
    let first = read_until(&mut body, "app[web.1]: one\n\n").await;
    assert!(first.starts_with(": alive\n\n"), "{first}");
    let id = first.rsplit_once("id: ").unwrap().1.split('\n').next().unwrap().to_owned();
    say(&server, &app, "web.1", "two");
    read_until(&mut body, "app[web.1]: two\n\n").await;
    read_until(&mut body, ": alive\n\n").await;
    drop(body);
    say(&server, &app, "web.1", "three");
    let resumed = client.header("last-event-id", &id).stream(Method::GET, &url, Body::empty()).await;
    let text = read_until(&mut resumed.into_body(), "three\n\n").await;
    assert!(text.contains("two\n\n") && !text.contains("one\n\n"), "{text}");
}

#[tokio::test]
async fn a_stream_that_is_not_followed_ends() {
    let server = Server::start().await;
    let app = server.app("ended").await;
    for number in 0..20 {
        say(&server, &app, "web.1", &format!("line {number}"));
    }
    let url = session(&server, "ended", json!({ "dyno": "web.1", "lines": 3 })).await;
    let read = server.stranger().header("accept", "text/event-stream").get(&url).await;
    assert_eq!(read.text.matches("data: ").count(), 3, "{}", read.text);
    assert!(read.text.ends_with("line 19\n\n"));
}

#[tokio::test]
async fn a_changed_secret_opens_nothing() {
    let server = Server::start().await;
    server.app("sealed").await;
    let url = session(&server, "sealed", json!({})).await;
    let changed = if url.ends_with('0') { "1" } else { "0" };
    let changed = format!("{}{changed}", &url[..url.len() - 1]);
    server.stranger().get(&changed).await.refused(404, "not_found");
    let secret = url.rsplit_once('/').unwrap().1;
    server.stranger().get(&format!("/build-output/{secret}")).await.refused(404, "not_found");
    server.stranger().get(&url).await;
}
