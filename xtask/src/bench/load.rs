//! Load by `wrk`, and the CPU time of those who bear it.

use std::net::SocketAddr;
use std::process::Command;

use anyhow::{Context, bail};
use e2e::Process;
use nix::unistd::{SysconfVar, sysconf};

const CONNECTIONS: u32 = 64;
const SECONDS: u32 = 5;

pub(super) struct Load {
    pub(super) requests_per_s: f64,
    /// Of the processes that were watched.
    pub(super) cpu_us_per_request: f64,
}

/// Keep-alive connections that ask for one kilobyte.
pub(super) fn run(address: SocketAddr, host: &str, watched: &[Process]) -> anyhow::Result<Load> {
    let before = cpu_s(watched)?;
    let output = Command::new("wrk")
        .args(["--threads", "1", "--connections", &CONNECTIONS.to_string()])
        .args(["--duration", &format!("{SECONDS}s"), "--header", &format!("Host: {host}")])
        .arg(format!("http://{address}/kilobyte.txt"))
        .output()
        .context("could not start wrk")?;
    let cpu_s = cpu_s(watched)? - before;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() || text.contains("Non-2xx") || text.contains("Socket errors") {
        bail!("requests failed: {text}{}", String::from_utf8_lossy(&output.stderr));
    }
    let requests: f64 = text
        .lines()
        .find_map(|line| line.trim().split_once(" requests in ")?.0.parse().ok())
        .with_context(|| format!("wrk said no number: {text}"))?;
    let requests_per_s: f64 = text
        .lines()
        .find_map(|line| line.strip_prefix("Requests/sec:")?.trim().parse().ok())
        .with_context(|| format!("wrk said no rate: {text}"))?;
    Ok(Load { requests_per_s, cpu_us_per_request: cpu_s * 1e6 / requests })
}

/// User and system time so far.
fn cpu_s(processes: &[Process]) -> anyhow::Result<f64> {
    let ticks_per_s = sysconf(SysconfVar::CLK_TCK)?.context("the system has no clock")? as f64;
    let mut ticks = 0.0;
    for process in processes {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.pid))?;
        let (_, rest) = stat.rsplit_once(')').context("no stat")?;
        let fields: Vec<f64> = rest.split_whitespace().skip(11).take(2).filter_map(|text| text.parse().ok()).collect();
        ticks += fields.iter().sum::<f64>();
    }
    Ok(ticks / ticks_per_s)
}
