//! Logs from the CLI.

use std::io::{BufRead, BufReader};
use std::sync::mpsc::channel;

use anyhow::{Context, bail, ensure};
use e2e::Deadline;

use crate::stage::{PATIENCE, Stage, deployed, eventually_says};

pub(crate) fn shown_filtered_followed(stage: &Stage) -> anyhow::Result<()> {
    let server = stage.server()?;
    let owner = stage.owner()?;
    let app = deployed(&server, &owner, "logs-probe")?;
    server.app("logs-probe", "/say/first-words")?;
    eventually_says(&owner, &["logs", "--app", "logs-probe"], "app[web.1]: first-words")?;
    let all = app.heroku(&["logs", "--num", "500"])?.ok()?;
    for text in
        ["app[web.1]: listens on", "app[web.1]: a word on stderr", "heroku[router]:", "heroku[web.1]:", "app[api]:"]
    {
        ensure!(all.stdout.contains(text), "`{text}` is missing: {all}");
    }
    ensure!(all.stdout.contains("path=\"/say/first-words\" host=logs-probe.localhost"), "no access line: {all}");

    // The number counts after the filters: the router's lines are not in the way.
    for _ in 0..5 {
        server.app("logs-probe", "/")?;
    }
    let one = app.heroku(&["logs", "--dyno", "web.1", "--source", "app", "--num", "1"])?.ok()?;
    ensure!(one.stdout.lines().count() == 1 && one.stdout.contains("first-words"), "{one}");
    app.heroku(&["logs", "--source", "app", "--num", "50"])?.ok()?.does_not_say("heroku[router]")?;
    app.heroku(&["logs", "--dyno", "router", "--num", "50"])?.ok()?.does_not_say("app[web.1]")?;

    follow(stage)
}

/// A line said now arrives at one who follows.
fn follow(stage: &Stage) -> anyhow::Result<()> {
    let server = stage.server()?;
    let owner = stage.owner()?;
    let mut tail = owner.spawn_in(owner.home(), "heroku", &["logs", "--tail", "--app", "logs-probe"])?;
    let output = tail.stdout.take().context("no output")?;
    let (sender, lines) = channel();
    let reader = std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    let wait_for = |text: &str| -> anyhow::Result<()> {
        let deadline = Deadline::after(PATIENCE);
        loop {
            match lines.recv_timeout(deadline.remaining()) {
                Ok(line) if line.contains(text) => return Ok(()),
                Ok(_) => {}
                Err(_) => bail!("`{text}` did not arrive"),
            }
        }
    };
    // Old lines first: the tail is connected then.
    let followed = wait_for("first-words").and_then(|()| {
        server.app("logs-probe", "/say/later-words")?;
        wait_for("app[web.1]: later-words")
    });
    drop(lines);
    // SIGTERM, which `timeout` hands on to the CLI.
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(tail.id().cast_signed()), nix::sys::signal::Signal::SIGTERM)?;
    tail.wait()?;
    ensure!(reader.join().is_ok(), "the reader panicked");
    followed
}
