//! `cargo xtask tidy`: what prose would forget.

mod layers;
mod sources;

use std::process::ExitCode;

use crate::steps::Step;

/// Prints what is wrong; files that have grown long are only named.
pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let step = Step::begin("Tidiness");
    let mut faults = layers::faults(&layers::edges()?);
    let files = sources::files()?;
    faults.extend(sources::faults(&files));
    for long in sources::long(&files) {
        eprintln!("note: {long}");
    }
    for fault in &faults {
        eprintln!("error: {fault}");
    }
    if !faults.is_empty() {
        return Ok(ExitCode::FAILURE);
    }
    step.done();
    Ok(ExitCode::SUCCESS)
}
