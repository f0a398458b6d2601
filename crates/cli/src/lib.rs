//! The commands of the `renga` binary that talk to a running server or help
//! its user: the official CLI's environment, git's credentials, accounts, and
//! the check of the machine.
//!
//! They find a server by its data directory: `run/server.json` tells where it
//! listens, `keys/owner.json` holds the owner's key, `tls/ca.pem` is the
//! certificate authority that its certificates come from.
//!
//! ```
//! use cli::ServerRecord;
//!
//! let record = ServerRecord {
//!     pid: 1,
//!     listen: vec!["127.0.0.1:5000".to_owned()],
//!     url: "https://localhost:5000".to_owned(),
//! };
//! let written = serde_json::to_string(&record)?;
//! assert_eq!(serde_json::from_str::<ServerRecord>(&written)?, record);
//! # Ok::<(), serde_json::Error>(())
//! ```

mod accounts;
mod api;
mod data_dir;
mod doctor;
mod env;
mod environment;
mod git_credentials;
mod heroku;
mod netrc;
mod trust;

use std::process::ExitCode;

pub use data_dir::{DataDir, DataDirArg, Owner, ServerRecord};

/// What this crate adds to the binary's commands.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Print the shell lines after which the official CLI and git work with this server
    Env(env::Args),
    /// Run the official `heroku` CLI against this server
    Heroku(heroku::Args),
    /// Make an account and print its one-time password
    #[command(name = "accounts:create")]
    AccountsCreate(accounts::CreateArgs),
    /// Check the machine: what Renga needs, what is missing, and how to mend it
    Doctor(doctor::Args),
    /// Tell git the credentials for this server (git's credential helper protocol)
    #[command(name = "git-credentials")]
    GitCredentials(git_credentials::Args),
}

/// Runs one command. The exit code is the process's; an error's text is for
/// the user and has been printed nowhere yet.
pub fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Env(args) => env::run(&args),
        Command::Heroku(args) => heroku::run(&args),
        Command::AccountsCreate(args) => accounts::create(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::GitCredentials(args) => git_credentials::run(&args),
    }
}
