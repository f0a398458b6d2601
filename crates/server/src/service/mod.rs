//! `renga service`: the server as a service of systemd's.

mod configured;
mod install;
mod places;
mod status;
mod systemd;
mod uninstall;
mod unit;

use std::path::PathBuf;

use crate::settings::SettingsArgs;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Install this program as a service, or upgrade the one that is installed
    ///
    /// Copies the program to /usr/local/bin/renga, writes /etc/renga/renga.toml
    /// and a unit for systemd, and starts it. Dynos go on during an upgrade.
    Install(InstallArgs),
    /// Show whether the service runs, and how it does
    Status(StatusArgs),
    /// Stop the service and its dynos and remove what belongs to it on this machine
    ///
    /// Apps and settings stay; with --purge nothing does.
    Uninstall(UninstallArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct InstallArgs {
    /// They go into the configuration file; what it says otherwise stays.
    #[command(flatten)]
    settings: SettingsArgs,
    #[command(flatten)]
    root: RootArg,
}

#[derive(Debug, clap::Args)]
pub(crate) struct StatusArgs {
    /// Print a JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    root: RootArg,
}

#[derive(Debug, clap::Args)]
pub(crate) struct UninstallArgs {
    /// Remove apps, their data and the settings as well
    #[arg(long)]
    purge: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    root: RootArg,
}

/// For images of machines: files go below DIR, and nothing is started.
#[derive(Debug, clap::Args)]
pub(crate) struct RootArg {
    #[arg(long, value_name = "DIR", hide = true)]
    root: Option<PathBuf>,
}

pub(crate) fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::Install(args) => install::run(args),
        Command::Status(args) => status::run(args),
        Command::Uninstall(args) => uninstall::run(args),
    }
}
