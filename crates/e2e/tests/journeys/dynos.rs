//! Dynos from the CLI.

use anyhow::{Context, ensure};
use e2e::eventually;
use serde_json::Value;

use crate::stage::{PATIENCE, Stage, deployed, eventually_says};

pub(crate) fn scaled(stage: &Stage) -> anyhow::Result<()> {
    let server = stage.server()?;
    let owner = stage.owner()?;
    let app = deployed(&server, &owner, "dynos-scaled")?;
    app.heroku(&["ps"])?.ok()?.says("web.1")?.does_not_say("worker.1")?;

    app.heroku(&["ps:scale", "web=2", "worker=1"])?.ok()?;
    app.heroku(&["ps:wait"])?.ok()?;
    app.heroku(&["ps"])?.ok()?.says("web.2")?.says("worker.1")?;
    eventually(PATIENCE, || server.app("dynos-scaled", "/").and_then(|page| says(&page.body, "from web.2")))?;
    app.heroku(&["ps:scale", "web+1"])?.ok()?;
    app.heroku(&["ps:scale"])?.ok()?.says("web=3")?.says("worker=1")?;
    app.heroku(&["ps:scale", "web-2", "worker=0"])?.ok()?;
    eventually(PATIENCE, || app.heroku(&["ps"])?.ok()?.does_not_say("web.2")?.does_not_say("worker.1"))?;
    app.heroku(&["ps:scale", "nothing=1"])?.fails()?;
    app.heroku(&["ps:type"])?.ok()?.says("web")?;

    app.heroku(&["ps:scale", "web=0"])?.ok()?;
    eventually(PATIENCE, || {
        let page = server.app("dynos-scaled", "/")?;
        ensure!(page.status == 503 && page.body.contains("H14"), "{page:?}");
        Ok(())
    })
}

pub(crate) fn restarted_and_stopped(stage: &Stage) -> anyhow::Result<()> {
    let server = stage.server()?;
    let owner = stage.owner()?;
    let app = deployed(&server, &owner, "dynos-restarted")?;
    let ids = || -> anyhow::Result<Vec<String>> {
        let dynos = app.heroku(&["ps", "--json"])?.ok()?.json()?;
        let list = dynos.as_array().context("no list of dynos")?;
        Ok(list.iter().filter_map(|dyno| dyno["id"].as_str().map(str::to_owned)).collect())
    };
    let first = ids()?;
    ensure!(first.len() == 1, "{first:?}");
    app.heroku(&["ps:restart"])?.ok()?;
    let is_new = |before: &[String]| {
        eventually(PATIENCE, || {
            let now = ids()?;
            ensure!(now.len() == 1 && now != before, "still {now:?}");
            Ok(now)
        })
    };
    let second = is_new(&first)?;
    server.app_says("dynos-restarted", "/", "version one")?;
    app.heroku(&["ps:stop", "--dyno-name", "web.1"])?.ok()?;
    let third = is_new(&second)?;
    app.heroku(&["ps:restart", "--dyno-name", "web.1"])?.ok()?;
    is_new(&third)?;
    server.app_says("dynos-restarted", "/", "version one")?;

    // A dyno that ends by itself is started again, and that is told.
    let _broken_off = server.app("dynos-restarted", "/exit");
    eventually_says(&owner, &["logs", "--app", "dynos-restarted", "--num", "500"], "Process exited with status 3")?;
    server.app_says("dynos-restarted", "/", "version one")?;
    Ok(())
}

pub(crate) fn environment(stage: &Stage) -> anyhow::Result<()> {
    let server = stage.server()?;
    let owner = stage.owner()?;
    let app = deployed(&server, &owner, "dynos-environment")?;
    app.heroku(&["config:set", "COLOUR=blue"])?.ok()?;
    let page = server.app_says("dynos-environment", "/environment", "COLOUR")?;
    let variables = page.json()?;
    for (name, value) in [("DYNO", "web.1"), ("COLOUR", "blue"), ("HOME", "/app")] {
        ensure!(variables[name] == value, "{name} is {}", variables[name]);
    }
    let port = variables["PORT"].as_str().and_then(|port| port.parse::<u16>().ok());
    ensure!(port.is_some_and(|port| port > 1023), "PORT is {}", variables["PORT"]);
    let ours = |name: &&String| name.starts_with("RENGA") || name.starts_with("HEROKU") || name.starts_with("CARGO");
    let leaked: Vec<&String> = variables.as_object().context("no variables")?.keys().filter(ours).collect();
    ensure!(leaked.is_empty(), "the server's variables reach dynos: {leaked:?}");

    let look =
        "id -u; cat /proc/1/status | grep -E '^(CapEff|NoNewPrivs|Seccomp):'; ls / | tr '\\n' ' '; cat /etc/hostname";
    let seen = app.heroku(&["run", "--no-tty", look])?.ok()?.stdout;
    ensure!(!seen.starts_with("0\n"), "runs as root: {seen}");
    for text in ["CapEff:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"] {
        ensure!(seen.contains(text), "`{text}` is missing: {seen}");
    }
    let host = std::fs::read_to_string("/etc/hostname")?;
    ensure!(!seen.contains(host.trim()), "knows the machine's name: {seen}");
    let hidden = "test ! -e /var/lib/renga-stacks && test ! -w / && test -w /app && test -w /tmp && ! cat /etc/shadow";
    app.heroku(&["run", "--no-tty", "--exit-code", hidden])?.ok()?;
    Ok(())
}

fn says(body: &str, text: &str) -> anyhow::Result<Value> {
    ensure!(body.contains(text), "`{text}` is not in: {body}");
    Ok(Value::Null)
}
