//! The machine's stack, prepared while the server still compiles.

use std::process::{Child, ExitCode, Stdio};

use anyhow::{Context, bail};
use stack::{Stack, StackDir};

use crate::privilege::as_root;

/// `cargo xtask stack`: makes the stack if it is not there yet.
pub(crate) fn make() -> anyhow::Result<ExitCode> {
    let place = std::env::var_os("RENGA_STACK_DIR").unwrap_or_else(|| stack::DEFAULT_STACK_DIR.into());
    let stacks = StackDir::new(place).with_mirror(std::env::var("RENGA_DEBIAN_MIRROR").ok());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(stacks.ensure(Stack::DEFAULT, |line| eprintln!("    stack: {line}")))?;
    Ok(ExitCode::SUCCESS)
}

/// The same in a process of its own, as root, beside other work.
pub(crate) struct InBackground(Child);

impl InBackground {
    pub(crate) fn start() -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("could not find this program")?;
        let child = as_root(program).arg("stack").stdin(Stdio::null()).spawn();
        Ok(Self(child.context("could not start the making of the stack")?))
    }

    pub(crate) fn wait(mut self) -> anyhow::Result<()> {
        let status = self.0.wait()?;
        if !status.success() {
            bail!("the stack could not be made ({status})");
        }
        Ok(())
    }
}
