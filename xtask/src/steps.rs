//! Steps of a longer piece of work: what is done now, and how long it took.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

/// Says what begins; [`Step::done`] says how long it took.
pub(crate) struct Step {
    name: String,
    begun: Instant,
}

impl Step {
    pub(crate) fn begin(name: impl Into<String>) -> Self {
        let name = name.into();
        eprintln!("==> {name}");
        Self { name, begun: Instant::now() }
    }

    pub(crate) fn done(self) -> Duration {
        let took = self.begun.elapsed();
        eprintln!("==> {}: done in {:.1} s", self.name, took.as_secs_f64());
        took
    }
}

/// A program whose output is shown; its failure is ours.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    let line = line(command);
    let status = command.status().with_context(|| format!("could not start `{line}`"))?;
    if !status.success() {
        bail!("`{line}` ended with {status}");
    }
    Ok(())
}

/// A program as one step.
pub(crate) fn step(name: &str, command: &mut Command) -> anyhow::Result<()> {
    let step = Step::begin(name);
    run(command)?;
    step.done();
    Ok(())
}

/// Cargo, the one that runs us, in the repository.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(e2e::workspace_root());
    command
}

fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
