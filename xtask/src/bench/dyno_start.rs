//! From the request for a one-off dyno to its program's first word.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, ensure};
use e2e::{eventually, http, path_of};
use serde_json::json;

use super::report::{Report, quantile};
use super::subject::Subject;

const STARTS: usize = 30;
const PATIENCE: Duration = Duration::from_secs(30);

/// The program says the time; its clock is ours.
pub(super) fn measure(subject: &Subject, report: &mut Report) -> anyhow::Result<()> {
    let mut took_ms = Vec::new();
    for _ in 0..STARTS {
        let asked = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64();
        let wish = json!({ "command": "echo it is $EPOCHREALTIME", "attach": false });
        let dyno = subject.api.call("POST", "/apps/bench-static/dynos", &wish)?;
        let name = dyno["name"].as_str().context("a dyno without name")?;
        let said = eventually(PATIENCE, || said_by(subject, name))?;
        took_ms.push((said - asked) * 1e3);
    }
    let what = "Dyno start: request to the API to the program's first line, bash and all isolation included";
    report.add(format!("{what}, p50"), quantile(&mut took_ms, 0.5), "ms");
    report.add(format!("{what}, p99"), quantile(&mut took_ms, 0.99), "ms");
    Ok(())
}

fn said_by(subject: &Subject, dyno: &str) -> anyhow::Result<f64> {
    let wish = json!({ "dyno": dyno, "source": "app", "lines": 10, "tail": false });
    let session = subject.api.call("POST", "/apps/bench-static/log-sessions", &wish)?;
    let log = http::get(subject.server.address(), "localhost", path_of(&session["logplex_url"])?)?;
    ensure!(log.status == 200, "{log:?}");
    let line = log.body.lines().find_map(|line| line.split_once("it is ")).context("it has not spoken yet")?;
    line.1.trim().parse().context("it said no time")
}
