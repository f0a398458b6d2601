//! The project's automation: `cargo xtask up | test | tidy | docs | bench`.

mod bench;
mod checkout;
mod docs;
mod packages;
mod privilege;
mod stack_image;
mod steps;
mod test;
mod tidy;
mod tools;
mod up;

use std::process::ExitCode;

use anyhow::bail;

const USAGE: &str = "\
cargo xtask COMMAND

  up [--once] [--data-dir DIR] [--listen ADDR]
             install what is missing, build, start a server, deploy an example
             with git, show its answer; keep running until Ctrl-C
             (--once: bring everything down right after)
  test       all that CI checks: format, lints, tidiness, tests, journeys
  tidy       the rules of the house: who depends on whom, words, file sizes
  docs       write the tables of docs/configuration.md anew
  bench      measure, and write docs/benchmarks.md
  stack      prepare the machine's stack (up and test do this by themselves)
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> anyhow::Result<ExitCode> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["up", options @ ..] => up::run(up::Options::parse(options)?),
        ["test"] => test::run(),
        ["tidy"] => tidy::run(),
        ["docs"] => docs::write(),
        ["bench"] => bench::run(),
        ["stack"] => stack_image::make(),
        [] | ["help" | "--help" | "-h"] => {
            print!("{USAGE}");
            Ok(ExitCode::SUCCESS)
        }
        other => bail!("`{}` is not something to do here\n\n{USAGE}", other.join(" ")),
    }
}
