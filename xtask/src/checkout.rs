//! A copy of an example as a git repository, and its way to a server.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, bail};
use tempfile::TempDir;

use crate::steps::run;

/// Commits depend on the files alone: the same files give the same commit.
pub(crate) struct Checkout {
    _scratch: TempDir,
    path: PathBuf,
    variables: Vec<(OsString, OsString)>,
}

impl Checkout {
    /// The example of that name with one commit on `main`; git is run with
    /// these variables.
    pub(crate) fn of(example: &str, variables: &[(OsString, OsString)]) -> anyhow::Result<Self> {
        let scratch = tempfile::tempdir()?;
        let path = scratch.path().join(example);
        e2e::copy_folder(&e2e::workspace_root().join("examples").join(example), &path)?;
        let checkout = Self { _scratch: scratch, path, variables: variables.to_vec() };
        run(&mut checkout.git(&["init", "--quiet", "--initial-branch=main"]))?;
        checkout.commit("The example as it is")?;
        Ok(checkout)
    }

    /// Writes a file of it and commits.
    pub(crate) fn change(&self, file: &str, text: &str) -> anyhow::Result<()> {
        std::fs::write(self.path.join(file), text)?;
        self.commit(&format!("Change {file}"))
    }

    pub(crate) fn read(&self, file: &str) -> anyhow::Result<String> {
        std::fs::read_to_string(self.path.join(file)).with_context(|| format!("the example has no {file}"))
    }

    /// Whether the remote's `main` is this commit.
    pub(crate) fn is_at(&self, remote: &str) -> anyhow::Result<bool> {
        let theirs = first_word(&mut self.git(&["ls-remote", remote, "refs/heads/main"]))?;
        Ok(theirs == first_word(&mut self.git(&["rev-parse", "HEAD"]))?)
    }

    /// Shows the push as it goes. By force: the example may have been changed,
    /// and its history is no one's.
    pub(crate) fn push(&self, remote: &str) -> anyhow::Result<()> {
        run(&mut self.git(&["push", "--force", remote, "main"]))
    }

    fn commit(&self, message: &str) -> anyhow::Result<()> {
        run(&mut self.git(&["add", "--all"]))?;
        run(&mut self.git(&["commit", "--quiet", "--message", message]))
    }

    fn git(&self, arguments: &[&str]) -> Command {
        const DATE: &str = "2026-01-01T00:00:00Z";
        let mut command = Command::new("git");
        command
            .args(["-c", "user.name=Renga", "-c", "user.email=renga@localhost", "-c", "commit.gpgSign=false"])
            .args(arguments)
            .current_dir(&self.path)
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .envs([("GIT_AUTHOR_DATE", DATE), ("GIT_COMMITTER_DATE", DATE), ("GIT_TERMINAL_PROMPT", "0")]);
        command
    }
}

fn first_word(command: &mut Command) -> anyhow::Result<String> {
    let output = command.output().context("could not start git")?;
    if !output.status.success() {
        bail!("git failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout).split_whitespace().next().unwrap_or_default().to_owned())
}
