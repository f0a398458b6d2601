//! The way of a request.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use anyhow::{Context, bail, ensure};
use e2e::websocket::WebSocket;
use e2e::{eventually, http};

use crate::stage::{PATIENCE, Stage, deployed};

pub(crate) fn websocket(stage: &Stage) -> anyhow::Result<()> {
    let server = stage.server()?;
    let owner = stage.owner()?;
    deployed(&server, &owner, "router-websocket")?;
    let mut socket = WebSocket::open(server.address(), "router-websocket.localhost", "/websocket")?;
    for word in ["hello", "are you there", "goodbye"] {
        socket.send(word)?;
        ensure!(socket.receive()? == word, "another answer than {word}");
    }
    Ok(())
}

pub(crate) fn pages_and_headers(stage: &Stage) -> anyhow::Result<()> {
    let server = stage.server()?;
    let owner = stage.owner()?;
    let unknown = server.app("router-nobody", "/")?;
    ensure!(unknown.status == 404, "{unknown:?}");
    owner.heroku(&["apps:create", "router-blank"])?.ok()?;
    eventually(PATIENCE, || {
        let blank = server.app("router-blank", "/")?;
        ensure!(blank.status != 404 && blank.header("content-type").is_some(), "{blank:?}");
        Ok(())
    })?;

    deployed(&server, &owner, "router-headers")?;
    let headers = server.app("router-headers", "/headers")?.json()?;
    ensure!(headers["x-forwarded-proto"] == "http", "{headers}");
    ensure!(headers["x-forwarded-for"] == "127.0.0.1", "{headers}");
    ensure!(headers["x-forwarded-port"].is_string() && headers["via"].is_string(), "{headers}");
    ensure!(headers["x-request-id"].as_str().is_some_and(|id| id.len() >= 20), "{headers}");
    ensure!(headers["x-request-start"].as_str().is_some_and(|at| at.parse::<u64>().is_ok()), "{headers}");
    Ok(())
}

pub(crate) fn release_under_load(stage: &Stage) -> anyhow::Result<()> {
    const CLIENTS: usize = 4;
    let server = stage.server()?;
    let owner = stage.owner()?;
    let app = deployed(&server, &owner, "router-load")?;
    app.heroku(&["ps:scale", "web=2"])?.ok()?;
    app.heroku(&["ps:wait"])?.ok()?;
    app.change("VERSION", "two\n")?;

    let is_over = AtomicBool::new(false);
    let (old, new) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let client = || -> anyhow::Result<()> {
        while !is_over.load(Ordering::Relaxed) {
            let page = http::get(server.address(), "router-load.localhost", "/").context("during the release")?;
            match (page.status, page.body.as_str()) {
                (200, body) if body.contains("version one") => old.fetch_add(1, Ordering::Relaxed),
                (200, body) if body.contains("version two") => new.fetch_add(1, Ordering::Relaxed),
                _ => bail!("a request failed: {page:?}"),
            };
        }
        Ok(())
    };
    let pushed = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(client)).collect();
        let pushed = app.push().and_then(e2e::Ran::ok).and_then(|_| {
            // Until the old dynos are gone: no old answer for a while of requests.
            eventually(PATIENCE, || {
                let (before, answered) = (old.load(Ordering::Relaxed), new.load(Ordering::Relaxed));
                eventually(PATIENCE, || {
                    ensure!(new.load(Ordering::Relaxed) >= answered + 300, "no one answers");
                    Ok(())
                })?;
                ensure!(old.load(Ordering::Relaxed) == before, "the old version still answers");
                Ok(())
            })
        });
        is_over.store(true, Ordering::Relaxed);
        for client in clients {
            match client.join() {
                Ok(outcome) => outcome?,
                Err(_) => bail!("a client panicked"),
            }
        }
        pushed
    });
    pushed?;
    ensure!(old.load(Ordering::Relaxed) > 0, "there was no load before the release");
    Ok(())
}
