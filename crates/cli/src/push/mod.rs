//! `renga push`: the code of a folder becomes a new release, by git where there
//! is a commit, else as a tarball.

mod tarball;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use api_types::app::App as Shown;

use crate::api::typed;
use crate::app::{App, AppArgs};
use crate::git::{self, Repository};
use crate::server::Trust;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Send this folder as it is, without git
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Replace the server's branch even if it has commits that yours lacks
    #[arg(long, short, conflicts_with = "dir")]
    force: bool,
    #[command(flatten)]
    app: AppArgs,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let app = args.app.find()?;
    if let Some(folder) = &args.dir {
        return tarball::push(&app, folder);
    }
    match Repository::here() {
        Some(repository) if repository.has_commit() => push(&app, &repository, args.force),
        Some(_) => {
            bail!("there is no commit yet: `git commit` first, or `renga push --dir .` to send the files as they are")
        }
        None => {
            eprintln!("There is no git repository here: sending the files of this folder as they are.");
            tarball::push(&app, Path::new("."))
        }
    }
}

/// git shows its progress and the build's output itself.
fn push(app: &App, repository: &Repository, force: bool) -> anyhow::Result<ExitCode> {
    let target: Shown = typed(&app.get("")?)?;
    match repository.uncommitted()? {
        0 => {}
        count => {
            eprintln!("note: {count} changed files are not committed, and not pushed; `renga push --dir .` sends them")
        }
    }
    let server = app.api.server();
    let mut command = repository.command();
    for (key, value) in git::settings(server)? {
        command.arg("-c").arg(format!("{key}={value}"));
    }
    // The environment wins over what settings say.
    match &server.trust {
        Trust::Authority(path) => command.env("GIT_SSL_CAINFO", path),
        Trust::System => command.env_remove("GIT_SSL_CAINFO"),
    };
    command.env("GIT_TERMINAL_PROMPT", "0");
    command.arg("push");
    if force {
        command.arg("--force");
    }
    // By its name, so that the remote's branch is noted.
    let to = app.remote.as_deref().filter(|_| repository.remotes().iter().any(|remote| remote.url == target.git_url));
    command.arg(to.unwrap_or(&target.git_url)).arg("HEAD:refs/heads/main");
    let status = command.status().context("could not start git")?;
    if !status.success() {
        bail!("nothing was released; {} is as it was", app.name);
    }
    Ok(ExitCode::SUCCESS)
}
