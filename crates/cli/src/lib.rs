//! The commands of the `renga` binary that talk to a server or help its user:
//! the client of the platform, the official CLI's environment, git's
//! credentials, the trust in a server's certificates, the check of the machine.
//!
//! They find a server on this machine by its data directory: `run/server.json`
//! tells where it listens, `keys/owner.json` holds the owner's key, `tls/ca.pem`
//! is the authority that its certificates come from. Servers elsewhere are
//! profiles that `renga login` made.
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

mod access;
mod accounts;
mod api;
mod app;
mod apps;
mod builds;
mod completions;
mod config;
mod connect;
mod contact;
mod disk;
mod doctor;
mod domains;
mod env;
mod environment;
mod gc;
mod git;
mod git_credentials;
mod heroku;
mod keys;
mod login;
mod logs;
mod moment;
mod nearest;
mod prompt;
mod ps;
mod push;
mod releases;
mod run;
mod server;
mod spelling;
mod style;
mod table;
mod trust;

use std::process::ExitCode;

pub use doctor::is_healthy;
pub use server::{DataDir, DataDirArg, Owner, ServerRecord};
pub use spelling::joined;

/// What this crate adds to the binary's commands.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Make an app, and a git remote for it
    #[command(visible_alias = "apps:create")]
    Create(apps::CreateArgs),
    /// Deploy the code of this folder
    Push(push::Args),
    /// Open the app in a browser
    Open(apps::OpenArgs),
    /// Show the app's log
    Logs(logs::Args),
    /// Run a command in a dyno of its own
    Run(run::Args),
    /// List your apps
    Apps(apps::ListArgs),
    /// Show what is known of the app
    #[command(visible_alias = "apps:info")]
    Info(apps::InfoArgs),
    /// Destroy the app
    #[command(visible_alias = "apps:destroy")]
    Destroy(apps::DestroyArgs),
    /// List the app's dynos
    Ps(ps::ListArgs),
    /// Say how many dynos of which size each process type has
    #[command(name = "ps:scale", visible_alias = "scale")]
    PsScale(ps::ScaleArgs),
    /// Restart dynos
    #[command(name = "ps:restart", visible_alias = "restart")]
    PsRestart(ps::DynoArgs),
    /// Stop a dyno
    #[command(name = "ps:stop")]
    PsStop(ps::StopArgs),
    /// Show the app's config vars
    #[command(visible_alias = "config:get")]
    Config(config::ShowArgs),
    /// Set config vars; the app is released anew
    #[command(name = "config:set")]
    ConfigSet(config::SetArgs),
    /// Take config vars away; the app is released anew
    #[command(name = "config:unset")]
    ConfigUnset(config::UnsetArgs),
    /// List the app's releases
    Releases(releases::ListArgs),
    /// Go back to an earlier release
    #[command(visible_alias = "releases:rollback")]
    Rollback(releases::RollbackArgs),
    /// List the app's builds
    Builds(builds::ListArgs),
    /// Show what a build said, and follow it
    #[command(name = "builds:output")]
    BuildsOutput(builds::BuildArgs),
    /// Stop a build
    #[command(name = "builds:cancel")]
    BuildsCancel(builds::BuildArgs),
    /// List the app's host names
    Domains(domains::ListArgs),
    /// Give the app a host name
    #[command(name = "domains:add")]
    DomainsAdd(domains::NameArgs),
    /// Take a host name away
    #[command(name = "domains:remove")]
    DomainsRemove(domains::NameArgs),
    /// List who may use the app
    Access(access::ListArgs),
    /// Let someone use the app
    #[command(name = "access:add")]
    AccessAdd(access::MemberArgs),
    /// No longer let someone use the app
    #[command(name = "access:remove")]
    AccessRemove(access::MemberArgs),
    /// Log in to a server and remember it
    Login(login::LoginArgs),
    /// Forget a login
    Logout(login::LogoutArgs),
    /// Say who you are, and where
    Whoami(login::WhoamiArgs),
    /// Make an account and print its one-time password
    #[command(name = "accounts:create")]
    AccountsCreate(accounts::CreateArgs),
    /// Remove what nothing needs any more: old releases' slugs, caches, what apps left
    Gc(gc::Args),
    /// Show what takes how much of the server's disk
    Disk(disk::Args),
    /// Seal all config vars with a new key, while the server serves
    #[command(name = "keys:rotate")]
    KeysRotate(keys::RotateArgs),
    /// Make this machine trust a server's certificates
    Trust(trust::Args),
    /// Make a far server reachable on a local port, for the official CLI
    Connect(connect::Args),
    /// Print the shell lines after which the official CLI and git work with a server
    Env(env::Args),
    /// Run the official `heroku` CLI against a server
    Heroku(heroku::Args),
    /// Check the machine: what Renga needs, what is missing, and how to mend it
    Doctor(doctor::Args),
    /// Print the script that completes this program's words in a shell
    Completions(completions::Args),
    /// Tell git the credentials for a server (git's credential helper protocol)
    #[command(name = "git-credentials", hide = true)]
    GitCredentials(git_credentials::Args),
    /// Tell a shell what may come next (asked by the script of `completions`)
    #[command(hide = true)]
    Complete(completions::CompleteArgs),
}

/// Runs one command of `root`, the whole program's. The exit code is the
/// process's; an error's text is for the user and has been printed nowhere yet.
pub fn run(command: Command, root: &clap::Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Create(args) => apps::create(&args),
        Command::Push(args) => push::run(&args),
        Command::Open(args) => apps::open(&args),
        Command::Logs(args) => logs::run(&args),
        Command::Run(args) => run::run(&args),
        Command::Apps(args) => apps::list(&args),
        Command::Info(args) => apps::info(&args),
        Command::Destroy(args) => apps::destroy(&args),
        Command::Ps(args) => ps::list(&args),
        Command::PsScale(args) => ps::scale(&args),
        Command::PsRestart(args) => ps::restart(&args),
        Command::PsStop(args) => ps::stop(&args),
        Command::Config(args) => config::show(&args),
        Command::ConfigSet(args) => config::set(&args),
        Command::ConfigUnset(args) => config::unset(&args),
        Command::Releases(args) => releases::list(&args),
        Command::Rollback(args) => releases::rollback(&args),
        Command::Builds(args) => builds::list(&args),
        Command::BuildsOutput(args) => builds::output(&args),
        Command::BuildsCancel(args) => builds::cancel(&args),
        Command::Domains(args) => domains::list(&args),
        Command::DomainsAdd(args) => domains::add(&args),
        Command::DomainsRemove(args) => domains::remove(&args),
        Command::Access(args) => access::list(&args),
        Command::AccessAdd(args) => access::add(&args),
        Command::AccessRemove(args) => access::remove(&args),
        Command::Login(args) => login::login(&args),
        Command::Logout(args) => login::logout(&args),
        Command::Whoami(args) => login::whoami(&args),
        Command::AccountsCreate(args) => accounts::create(&args),
        Command::Gc(args) => gc::run(&args),
        Command::Disk(args) => disk::run(&args),
        Command::KeysRotate(args) => keys::rotate(&args),
        Command::Trust(args) => trust::run(&args),
        Command::Connect(args) => connect::run(&args),
        Command::Env(args) => env::run(&args),
        Command::Heroku(args) => heroku::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Completions(args) => Ok(completions::script(&args)),
        Command::GitCredentials(args) => git_credentials::run(&args),
        Command::Complete(args) => Ok(completions::complete(&args, root)),
    }
}
