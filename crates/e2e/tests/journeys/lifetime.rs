//! Servers come and go; dynos stay.

use std::io::{BufRead, BufReader};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use e2e::{Footprint, Person, Process, Repository, Server, eventually};

use crate::stage::{PATIENCE, Stage, deployed};

/// The processes of the probe's dynos: as the machine numbers them, which no
/// dyno sees.
fn probes(server: &Server) -> anyhow::Result<Vec<Process>> {
    let all = Footprint::of(server.data_dir())?.processes;
    let python = Process::all(|line| line.starts_with("python3 w"));
    Ok(python.into_iter().filter(|process| all.contains(process)).collect())
}

pub(crate) fn killed_with_dynos(stage: &Stage) -> anyhow::Result<()> {
    let mut server = stage.server_of_its_own()?;
    let owner = stage.owner_of(&server)?;
    let app = deployed(&server, &owner, "lifetime-killed")?;
    app.heroku(&["ps:scale", "worker=1"])?.ok()?;
    let counts = |app: &Repository<'_>| -> anyhow::Result<Vec<u64>> {
        let log = app.heroku(&["logs", "--dyno", "worker.1", "--source", "app", "--num", "1500"])?.ok()?.stdout;
        Ok(log.lines().filter_map(|line| line.rsplit_once("count ")?.1.parse().ok()).collect())
    };
    eventually(PATIENCE, || {
        ensure!(counts(&app)?.len() > 5, "the worker does not count");
        Ok(())
    })?;
    let before = probes(&server)?;
    ensure!(before.len() >= 2, "the dynos' processes are not to be seen: {before:?}");
    let last = counts(&app)?.last().copied().unwrap_or_default();

    server.kill()?;
    ensure!(before.iter().all(|process| process.is_alive()), "dynos ended with the server");
    server.start_again()?;
    server.app_says("lifetime-killed", "/", "version one")?;
    ensure!(probes(&server)? == before, "other processes than before: {:?}, {before:?}", probes(&server)?);

    // What the worker said meanwhile is there, in order and without a gap.
    let counted = eventually(PATIENCE, || {
        let counted = counts(&app)?;
        ensure!(counted.last().is_some_and(|count| *count > last + 5), "nothing new after {last}");
        Ok(counted)
    })?;
    let gaps: Vec<_> = counted.windows(2).filter(|pair| pair[1] != pair[0] + 1).collect();
    ensure!(gaps.is_empty(), "lines are missing or twice: {gaps:?}");
    app.heroku(&["ps"])?.ok()?.says("web.1: up")?.says("worker.1: up")?;

    // The adopted dynos obey: a restart replaces them.
    app.heroku(&["ps:restart"])?.ok()?;
    eventually(PATIENCE, || {
        ensure!(before.iter().all(|process| !process.is_alive()), "old dynos run on");
        Ok(())
    })?;
    server.app_says("lifetime-killed", "/", "version one")?;
    Ok(())
}

pub(crate) fn ended_and_started_again(stage: &Stage) -> anyhow::Result<()> {
    let mut server = stage.server_of_its_own()?;
    let owner = stage.owner_of(&server)?;
    let app = deployed(&server, &owner, "lifetime-ended")?;
    let before = probes(&server)?;
    let status = server.terminate()?;
    ensure!(status.success(), "SIGTERM ended it with {status}: {}", server.log());
    ensure!(before.iter().all(|process| process.is_alive()), "dynos ended with the server");
    server.start_again()?;
    server.app_says("lifetime-ended", "/", "version one")?;
    ensure!(probes(&server)? == before, "other processes than before");

    // A dyno that ends while no server looks is noticed and replaced.
    server.terminate()?;
    for process in &before {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(process.pid), nix::sys::signal::Signal::SIGKILL)?;
    }
    server.start_again()?;
    server.app_says("lifetime-ended", "/", "version one")?;
    app.heroku(&["logs", "--num", "500"])?.ok()?.says("Process exited with status 137")?;
    Ok(())
}

pub(crate) fn killed_in_a_deploy(stage: &Stage) -> anyhow::Result<()> {
    let mut server = stage.server_of_its_own()?;
    let owner = stage.owner_of(&server)?;
    let app = deployed(&server, &owner, "lifetime-deploy")?;
    let good = app.head()?;
    let before = probes(&server)?;

    app.change("VERSION", "two\n")?;
    // A build that would take long: it is in the middle of it when the server dies.
    app.change("package.json", r#"{ "name": "x", "scripts": { "build": "echo builds now; sleep 600" } }"#)?;
    app.heroku(&["buildpacks:set", "heroku/nodejs"])?.ok()?;
    push_until(&owner, &app, "builds now", || server.kill())?;
    ensure!(before.iter().all(|process| process.is_alive()), "dynos ended with the server");

    server.start_again()?;
    server.app_says("lifetime-deploy", "/", "version one")?;
    ensure!(probes(&server)? == before, "other processes than before");
    let listed = app.git(&["ls-remote", "heroku", "refs/heads/main"])?.ok()?;
    ensure!(listed.stdout.starts_with(&good), "the branch has moved: {listed}");
    eventually(PATIENCE, || {
        let left = Process::all(|line| line == "sleep 600 ");
        let ours = Footprint::of(server.data_dir())?.processes;
        ensure!(!left.iter().any(|process| ours.contains(process)), "the build runs on");
        Ok(())
    })?;

    app.git(&["rm", "--quiet", "package.json"])?.ok()?;
    app.change("VERSION", "three\n")?;
    app.heroku(&["buildpacks:clear"])?.ok()?;
    app.push()?.ok()?;
    server.app_says("lifetime-deploy", "/", "version three")?;
    Ok(())
}

/// Starts a push, does something once `text` is shown, waits for its end.
fn push_until(
    owner: &Person,
    app: &Repository<'_>,
    text: &str,
    act: impl FnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut push = owner.spawn_in(app.path(), "git", &["push", "heroku", "main"])?;
    let output = push.stderr.take().context("no output")?;
    let mut shown = String::new();
    let mut act = Some(act);
    for line in BufReader::new(output).lines() {
        let line = line?;
        if line.contains(text)
            && let Some(act) = act.take()
        {
            act()?;
        }
        shown += &line;
        shown += "\n";
    }
    let status = push.wait()?;
    if act.is_some() {
        bail!("`{text}` was never shown:\n{shown}");
    }
    ensure!(!status.success(), "the push ended well:\n{shown}");
    Ok(())
}

pub(crate) fn down_and_up_again(stage: &Stage) -> anyhow::Result<()> {
    let mut server = stage.server_of_its_own()?;
    let owner = stage.owner_of(&server)?;
    let app = deployed(&server, &owner, "lifetime-down")?;
    app.heroku(&["ps:scale", "web=2"])?.ok()?;
    app.heroku(&["ps:wait"])?.ok()?;
    let used = Footprint::of(server.data_dir())?;
    for (what, count) in [
        ("mounts", used.mounts.len()),
        ("cgroups", used.cgroups.len()),
        ("links", used.links.len()),
        ("tables", used.tables.len()),
        ("processes", used.processes.len()),
    ] {
        ensure!(count > 0, "no {what} are to be seen while dynos run: {used:?}");
    }

    server.terminate()?;
    server.renga(&["down", "--grace-s", "5"])?.ok()?;
    let left = eventually(Duration::from_secs(10), || {
        let left = Footprint::of(server.data_dir())?;
        ensure!(left.is_empty(), "left behind: {left:?}");
        Ok(left)
    })?;
    ensure!(used.processes.iter().all(|process| !process.is_alive()), "processes go on: {left:?}");
    server.renga(&["down"])?.ok()?;

    server.start_again()?;
    server.app_says("lifetime-down", "/", "version one")?;
    app.heroku(&["ps"])?.ok()?.says("web.2")?;
    Ok(())
}
