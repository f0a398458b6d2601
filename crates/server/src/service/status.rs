//! How the service does.

use std::path::PathBuf;
use std::process::Command;

use anyhow::bail;
use serde::Serialize;

use super::places::Places;
use super::{StatusArgs, systemd};

#[derive(Serialize)]
struct Status {
    installed: bool,
    /// As systemd says: `active (running)`.
    state: String,
    since: Option<String>,
    pid: Option<u32>,
    restarts: Option<u32>,
    /// Of the installed program.
    version: Option<String>,
    listen: Vec<String>,
    url: String,
    answers: bool,
    data_dir: PathBuf,
    /// Processes of the keeper and of dynos.
    dyno_processes: usize,
}

pub(super) fn run(args: &StatusArgs) -> anyhow::Result<()> {
    let places = Places::below(args.root.root.as_deref());
    let status = of(&places)?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&status)?);
    } else {
        print!("{}", report(&status));
    }
    if status.installed && places.is_this_machine() && !status.answers {
        bail!("the service does not answer; look at its log: journalctl -u renga");
    }
    Ok(())
}

fn of(places: &Places) -> anyhow::Result<Status> {
    let path = places.configuration();
    let file = path.exists().then(|| configuration::ConfigurationFile::open(&path)).transpose()?;
    let (configuration, _) = configuration::read(&configuration::Given { file, ..Default::default() })?;
    let mut known = if places.is_this_machine() && systemd::runs() {
        systemd::properties(&["ActiveState", "SubState", "ActiveEnterTimestamp", "MainPID", "NRestarts"])?
    } else {
        Default::default()
    };
    let mut take = |name: &str| known.remove(name).filter(|value| !value.is_empty());
    let state = match (take("ActiveState"), take("SubState")) {
        (Some(active), Some(sub)) => format!("{active} ({sub})"),
        _ => "not known: systemd does not run".to_owned(),
    };
    let first = configuration.listen.0.first().copied();
    Ok(Status {
        installed: places.unit().exists(),
        state,
        since: take("ActiveEnterTimestamp"),
        pid: take("MainPID").and_then(|pid| pid.parse().ok()).filter(|pid| *pid != 0),
        restarts: take("NRestarts").and_then(|count| count.parse().ok()),
        version: version(places),
        listen: configuration.listen.0.iter().map(ToString::to_string).collect(),
        url: configuration.public_url(),
        answers: first.is_some_and(|address| cli::is_healthy(address).unwrap_or(false)),
        dyno_processes: runtime_local::inventory(&configuration.data_dir).processes,
        data_dir: configuration.data_dir,
    })
}

fn version(places: &Places) -> Option<String> {
    let output = Command::new(places.program()).arg("--version").output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn report(status: &Status) -> String {
    if !status.installed {
        return "The service is not installed: renga service install\n".to_owned();
    }
    let mut lines = vec![("state", status.state.clone())];
    lines.extend(status.since.clone().map(|since| ("since", since)));
    lines.extend(status.pid.map(|pid| ("process", pid.to_string())));
    lines.extend(status.restarts.filter(|count| *count > 0).map(|count| ("restarts", count.to_string())));
    lines.extend(status.version.clone().map(|version| ("program", version)));
    lines.push(("listens on", status.listen.join(", ")));
    lines.push(("url", status.url.clone()));
    lines.push(("answers", if status.answers { "yes" } else { "no" }.to_owned()));
    lines.push(("data", status.data_dir.display().to_string()));
    lines.push(("dynos", format!("{} processes, with their keeper", status.dyno_processes)));
    lines.into_iter().map(|(name, value)| format!("{name:10}  {value}\n")).collect()
}
