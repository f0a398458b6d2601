//! `cargo xtask bench`: what the platform's numbers are on this machine, into
//! `docs/benchmarks.md`.

mod deploys;
mod dyno_start;
mod idle;
mod load;
mod peers;
mod report;
mod routing;
mod subject;

use std::process::ExitCode;

use stack::HostPackage;

use self::report::Report;
use self::subject::Subject;
use crate::stack_image::InBackground;
use crate::steps::{Step, cargo, step};
use crate::{packages, privilege};

const PEERS: [HostPackage; 3] = [
    HostPackage { package: "wrk", brings: "wrk", purpose: "makes the load" },
    HostPackage { package: "haproxy", brings: "haproxy", purpose: "is compared with" },
    HostPackage { package: "nginx-light", brings: "nginx", purpose: "is compared with" },
];

pub(crate) fn run() -> anyhow::Result<ExitCode> {
    anyhow::ensure!(privilege::prefix().is_empty(), "measuring needs root: it looks into dynos' processes");
    packages::for_server()?;
    packages::install(&PEERS.into_iter().filter(|package| !packages::is_there(package.brings)).collect::<Vec<_>>())?;
    let stack = InBackground::start()?;
    step("Build", &mut cargo(&["build", "--release", "--bin", "renga"]))?;
    stack.wait()?;

    let program = e2e::workspace_root().join("target/release/renga");
    let mut report = Report::default();
    let measuring = Step::begin("Idle");
    idle::measure(&program, &mut report)?;
    measuring.done();
    let subject = Subject::start(&program)?;
    let measuring = Step::begin("Push to live");
    deploys::measure(&subject, &mut report)?;
    measuring.done();
    let measuring = Step::begin("Dyno start");
    dyno_start::measure(&subject, &mut report)?;
    measuring.done();
    let measuring = Step::begin("Router");
    routing::measure(&subject, &mut report)?;
    measuring.done();

    println!("{}", report.table());
    report.write()?;
    Ok(ExitCode::SUCCESS)
}
