//! What only root may do: directly, or through sudo.

use std::ffi::OsStr;
use std::process::Command;

use nix::unistd::geteuid;

/// A command that runs as root.
pub(crate) fn as_root(program: impl AsRef<OsStr>) -> Command {
    if geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("sudo");
    // Proxies and mirrors named in the environment must get through.
    command.arg("--preserve-env").arg(program);
    command
}

/// What to put before a command line that needs root.
pub(crate) fn prefix() -> &'static str {
    if geteuid().is_root() { "" } else { "sudo " }
}
