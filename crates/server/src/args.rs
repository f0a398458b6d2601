//! What can be said on the command line, and by `RENGA_*` variables.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::backup;
use crate::service;
use crate::settings::{self, SettingsArgs};

/// Your own Heroku, in one binary.
#[derive(Debug, Parser)]
#[command(name = "renga", version, propagate_version = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the platform: API, git, router, builds, dynos
    Server(SettingsArgs),
    /// Print every setting: its value, and who has set it
    ///
    /// As `renga server` would find them now, with the same flags, variables
    /// and configuration file.
    Settings(settings::Args),
    /// Stop the dynos of a data directory and remove all that it has on this machine
    ///
    /// Apps, releases and their data stay; `renga server` brings them up again.
    Down(DownArgs),
    /// Run the server as a service of this machine
    #[command(subcommand)]
    Service(service::Command),
    /// Keep the platform safe: archives of all that it is
    #[command(subcommand)]
    Backup(backup::Command),
    #[command(flatten)]
    Client(cli::Command),
    /// Hold dynos (started by the server)
    #[command(hide = true)]
    Keeper {
        #[arg(long)]
        data_dir: PathBuf,
    },
    /// Ask the server about a push (started by git)
    #[command(hide = true)]
    GitHook {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct DownArgs {
    /// The data directory whose dynos are meant
    #[arg(long, env = "RENGA_DATA_DIR", value_name = "DIR", default_value_os_t = configuration::data_dir())]
    pub(crate) data_dir: PathBuf,

    /// How long dynos may take to end, in seconds, before they are killed
    #[arg(long, default_value_t = 10)]
    pub(crate) grace_s: u64,
}
