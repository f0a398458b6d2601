//! Real builds of the sample apps, in real dynos on the real stack.
//!
//! Needs root, the stack and the package registries: what is missing skips the
//! builds, visibly. `cargo test -p builder --test builds [NAME]` runs one.

#![expect(clippy::unwrap_used, reason = "these are tests, which clippy can't tell without the harness")]

mod bench;
mod cases;
mod elsewhere;
mod go;
mod host;
mod node;
mod python;
mod static_site;

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [command, data_dir] = arguments.as_slice()
        && command == bench::KEEPER
    {
        // One thread only, which is why no test harness may stand above.
        return match runtime_local::keeper_main(Path::new(data_dir)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error}");
                ExitCode::FAILURE
            }
        };
    }
    let wanted = arguments.iter().find(|argument| !argument.starts_with('-'));
    let cases = cases::ALL
        .iter()
        .chain(&node::ALL)
        .chain(&python::ALL)
        .chain(&go::ALL)
        .chain(&static_site::ALL)
        .chain(&elsewhere::ALL)
        .filter(|(name, _)| wanted.is_none_or(|wanted| name.contains(wanted.as_str())));
    if arguments.iter().any(|argument| argument == "--list") {
        cases.for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    let Some(bench) = bench::Bench::open() else { return ExitCode::SUCCESS };
    let mut failed = 0;
    for (name, case) in cases {
        let start = Instant::now();
        let passed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| bench.run(*case))).is_ok();
        println!("test {name} ... {} ({:.1} s)", if passed { "ok" } else { "FAILED" }, start.elapsed().as_secs_f32());
        failed += usize::from(!passed);
    }
    let left = bench.close();
    if let Some(left) = &left {
        println!("left behind: {left}");
    }
    if failed == 0 && left.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
