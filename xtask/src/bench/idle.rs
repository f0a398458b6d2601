//! The binary and an idle server: size, start, memory.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use e2e::{Process, Server};

use super::report::{Report, median};

const STARTS: usize = 7;
/// What a server does right after its start is over by then.
const SETTLED: Duration = Duration::from_secs(3);
const MIB: f64 = 1024.0 * 1024.0;

pub(super) fn measure(program: &Path, report: &mut Report) -> anyhow::Result<()> {
    let size = std::fs::metadata(program)?.len();
    report.add_with_goal("Binary", size as f64 / 1e6, "MB", 60.0);

    let mut server = Server::start(program)?;
    let mut starts = Vec::new();
    for _ in 0..STARTS {
        server.terminate()?;
        let begun = Instant::now();
        server.start_again()?;
        starts.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    report.add_with_goal("Start to serving", median(starts), "ms", 300.0);

    std::thread::sleep(SETTLED);
    let data_dir = server.data_dir().to_string_lossy().into_owned();
    let mut bytes = resident_bytes(server.process()?)?;
    for keeper in Process::all(|line| line.contains(" keeper ") && line.contains(&data_dir)) {
        bytes += resident_bytes(keeper)?;
    }
    report.add_with_goal("Memory of the idle platform (RSS of server and keeper)", bytes as f64 / MIB, "MiB", 60.0);
    Ok(())
}

fn resident_bytes(process: Process) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.pid))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kib: u64 = line.split_whitespace().next().and_then(|text| text.parse().ok()).context("no number")?;
    Ok(kib * 1024)
}
