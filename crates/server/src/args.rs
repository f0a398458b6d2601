//! What can be said on the command line, and by `RENGA_*` variables.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

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
    Server(ServerArgs),
    /// Stop the dynos of a data directory and remove all that it has on this machine
    ///
    /// Apps, releases and their data stay; `renga server` brings them up again.
    Down(DownArgs),
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
pub(crate) struct ServerArgs {
    /// Where all state lies
    #[arg(long, env = "RENGA_DATA_DIR", default_value_os_t = cli::default_data_dir())]
    pub(crate) data_dir: PathBuf,

    /// Where to listen, for HTTP and TLS alike; may be given more than once
    #[arg(long, env = "RENGA_LISTEN", value_delimiter = ',', default_value = "127.0.0.1:5000")]
    pub(crate) listen: Vec<SocketAddr>,

    /// Where stacks lie, shared by the servers of this machine
    #[arg(long, env = "RENGA_STACK_DIR", default_value = stack::DEFAULT_STACK_DIR)]
    pub(crate) stack_dir: PathBuf,

    /// The stack of new apps: debian-13, or host (this machine's own /usr)
    #[arg(long, env = "RENGA_STACK", default_value = stack::Stack::DEFAULT.name())]
    pub(crate) stack: stack::Stack,

    /// Builds that run at the same time; others wait for their turn
    #[arg(long, env = "RENGA_CONCURRENT_BUILDS", default_value_t = 2)]
    pub(crate) concurrent_builds: usize,

    /// A Debian mirror to make stacks from, in place of Debian's own servers
    #[arg(long, env = "RENGA_DEBIAN_MIRROR")]
    pub(crate) debian_mirror: Option<String>,

    /// Variables that builds get: names out of this process's environment, or
    /// NAME=VALUE, divided by commas; default: those of proxies and registries
    #[arg(long, env = "RENGA_BUILD_ENV")]
    pub(crate) build_env: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct DownArgs {
    /// The data directory whose dynos are meant
    #[arg(long, env = "RENGA_DATA_DIR", default_value_os_t = cli::default_data_dir())]
    pub(crate) data_dir: PathBuf,

    /// How long dynos may take to end, in seconds, before they are killed
    #[arg(long, default_value_t = 10)]
    pub(crate) grace_s: u64,
}
