//! The router beside its peers, all in front of the same dyno.

use std::net::{IpAddr, SocketAddr};
use std::process::Command;

use anyhow::{Context, bail};
use e2e::{Footprint, Process};

use super::load;
use super::peers::Peer;
use super::report::{Report, median};
use super::subject::Subject;

/// Interleaved, so that a disturbance meets all alike.
const ROUNDS: usize = 3;

#[derive(Default)]
struct Series {
    rates: Vec<f64>,
    cpu_us: Vec<f64>,
}

pub(super) fn measure(subject: &Subject, report: &mut Report) -> anyhow::Result<()> {
    let host = format!("bench-static.localhost:{}", subject.server.address().port());
    let backend = backend(subject)?;
    let contenders = [
        ("the dyno itself", None),
        ("HAProxy, no log", Some((Peer::Haproxy, false))),
        ("HAProxy, with log", Some((Peer::Haproxy, true))),
        ("nginx, no log", Some((Peer::Nginx, false))),
        ("nginx, with log", Some((Peer::Nginx, true))),
    ];
    let mut ours = Series::default();
    let mut theirs: Vec<Series> = contenders.iter().map(|_| Series::default()).collect();
    for _ in 0..ROUNDS {
        ours.take(&load::run(subject.server.address(), &host, &[subject.server.process()?])?);
        for ((_, peer), series) in contenders.iter().zip(&mut theirs) {
            let load = match peer {
                None => load::run(backend, &host, &[])?,
                Some((peer, logs)) => {
                    let running = peer.start(backend, *logs)?;
                    load::run(running.address, &host, &running.processes())?
                }
            };
            series.take(&load);
        }
    }

    let (our_rate, our_cpu) = ours.medians();
    report.add("Router, 1 KB, 64 connections: requests per second", our_rate, "/s");
    let mut cpu = Vec::new();
    for ((name, peer), series) in contenders.iter().zip(theirs) {
        let (rate, cpu_us) = series.medians();
        report.add(format!("– {name}"), rate, "/s");
        if peer.is_some() {
            cpu.push((name, cpu_us));
        }
    }
    report.add("Router: CPU per request (its access line included)", our_cpu, "µs");
    for (name, cpu_us) in &cpu {
        report.add(format!("– {name}"), *cpu_us, "µs");
    }
    for (name, cpu_us) in cpu {
        let goal = if name.ends_with("no log") { 0.85 } else { 1.0 };
        report.add_with_goal(format!("Router's CPU per request as a share of {name}"), our_cpu / cpu_us, "", goal);
    }
    Ok(())
}

impl Series {
    fn take(&mut self, load: &load::Load) {
        self.rates.push(load.requests_per_s);
        self.cpu_us.push(load.cpu_us_per_request);
    }

    fn medians(self) -> (f64, f64) {
        (median(self.rates), median(self.cpu_us))
    }
}

/// Where the app's dyno listens, as seen from the machine.
fn backend(subject: &Subject) -> anyhow::Result<SocketAddr> {
    let ours = Footprint::of(subject.server.data_dir())?.processes;
    let masters = Process::all(|line| line.starts_with("nginx: master"));
    let Some(master) = masters.into_iter().find(|process| ours.contains(process)) else {
        bail!("the static app's nginx is not to be seen");
    };
    let inside = |program: &str, arguments: &[&str]| -> anyhow::Result<String> {
        let output = Command::new("nsenter")
            .args(["--target", &master.pid.to_string(), "--net", program])
            .args(arguments)
            .output()
            .with_context(|| format!("could not start {program}"))?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let addresses = inside("ip", &["-4", "-oneline", "address", "show", "scope", "global"])?;
    let address = addresses.split_whitespace().skip_while(|word| *word != "inet").nth(1);
    let address: IpAddr = address.and_then(|text| text.split('/').next()?.parse().ok()).context("no address")?;
    let sockets = inside("ss", &["--no-header", "--listening", "--tcp", "--numeric"])?;
    let port = sockets.lines().find_map(|line| line.split_whitespace().nth(3)?.rsplit_once(':')?.1.parse().ok());
    Ok(SocketAddr::new(address, port.context("it listens nowhere")?))
}
