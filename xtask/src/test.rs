//! `cargo xtask test`: what CI runs.

use std::process::ExitCode;

use crate::stack_image::InBackground;
use crate::steps::{Step, cargo, step};
use crate::{packages, tidy, tools};

pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let whole = Step::begin("All checks");
    step("Format", &mut cargo(&["fmt", "--all", "--check"]))?;
    let tidiness = tidy::run()?;
    if tidiness != ExitCode::SUCCESS {
        return Ok(tidiness);
    }
    packages::for_server()?;
    let stack = InBackground::start()?;
    tools::for_journeys()?;
    step("Lints", &mut cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    // One build for tests and journeys: the same features, so each crate is compiled once.
    step("Build", &mut cargo(&["build", "--workspace", "--all-targets"]))?;
    stack.wait()?;
    step("Tests and journeys", &mut cargo(&["test", "--workspace", "--no-fail-fast"]))?;
    whole.done();
    Ok(ExitCode::SUCCESS)
}
