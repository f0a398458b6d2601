//! `cargo xtask tidy`: what prose would forget.

mod docs;
mod layers;
mod sources;

use std::process::ExitCode;

use crate::steps::Step;

/// Prints what is wrong.
pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let step = Step::begin("Tidiness");
    let mut faults = layers::faults(&layers::edges()?);
    let files = sources::files()?;
    faults.extend(sources::faults(&files));
    faults.extend(sources::long(&files));
    faults.extend(docs::faults()?);
    for fault in &faults {
        eprintln!("error: {fault}");
    }
    if !faults.is_empty() {
        return Ok(ExitCode::FAILURE);
    }
    step.done();
    Ok(ExitCode::SUCCESS)
}
