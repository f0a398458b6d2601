//! Someone who uses the platform: a home of his own, the official CLI, git.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::{Ran, Server, Terminal, Tools, command};

/// A person. What he stores lies in a scratch home.
pub struct Person {
    home: TempDir,
    environment: Vec<(OsString, OsString)>,
}

impl Person {
    /// Someone in a shell where `eval "$(renga env)"` was run.
    pub fn owner(server: &Server, tools: &Tools) -> anyhow::Result<Self> {
        Self::with(server, tools, |_| true)
    }

    /// The same without the owner's key: he has yet to log in.
    pub fn stranger(server: &Server, tools: &Tools) -> anyhow::Result<Self> {
        Self::with(server, tools, |name| name != "HEROKU_API_KEY")
    }

    /// Someone at another machine: he has the programs, and knows no server.
    pub fn afar(program: &Path, tools: &Tools) -> anyhow::Result<Self> {
        let home = home()?;
        let own = program.parent().map(Path::to_owned);
        let path = std::env::join_paths(own.into_iter().chain(std::env::split_paths(tools.path())))?;
        let environment = base(home.path(), &path);
        let person = Self { home, environment };
        person.accept_terms()?;
        Ok(person)
    }

    fn with(server: &Server, tools: &Tools, keeps: impl Fn(&OsStr) -> bool) -> anyhow::Result<Self> {
        let home = home()?;
        let mut environment = server.environment(&base(home.path(), tools.path()))?;
        environment.retain(|(name, _)| keeps(name));
        let person = Self { home, environment };
        person.accept_terms()?;
        Ok(person)
    }

    /// The CLI shows the vendor's notice of changed terms at its first start.
    fn accept_terms(&self) -> anyhow::Result<()> {
        let cache = self.home.path().join(".cache/heroku");
        std::fs::create_dir_all(&cache)?;
        std::fs::write(cache.join("terms-of-service"), "accepted by a test")?;
        Ok(())
    }

    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// With another variable set.
    #[must_use]
    pub fn and(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// The official CLI, in the home directory.
    pub fn heroku(&self, arguments: &[&str]) -> anyhow::Result<Ran> {
        self.run_in(self.home.path(), "heroku", arguments)
    }

    /// The official CLI, in a repository.
    pub fn heroku_in(&self, directory: &Path, arguments: &[&str]) -> anyhow::Result<Ran> {
        self.run_in(directory, "heroku", arguments)
    }

    pub fn git(&self, directory: &Path, arguments: &[&str]) -> anyhow::Result<Ran> {
        self.run_in(directory, "git", arguments)
    }

    pub fn run_in(&self, directory: &Path, program: &str, arguments: &[&str]) -> anyhow::Result<Ran> {
        command::run(command::bounded(program, arguments, directory, &self.environment))
    }

    /// Starts a command and does not wait for it.
    pub fn spawn_in(&self, directory: &Path, program: &str, arguments: &[&str]) -> anyhow::Result<std::process::Child> {
        let mut command = command::bounded(program, arguments, directory, &self.environment);
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        Ok(command.spawn()?)
    }

    /// The official CLI in a terminal.
    pub fn heroku_terminal(&self, arguments: &[&str]) -> anyhow::Result<Terminal> {
        self.terminal("heroku", arguments)
    }

    /// A program in a terminal.
    pub fn terminal(&self, program: &str, arguments: &[&str]) -> anyhow::Result<Terminal> {
        Terminal::open(self.home.path(), &self.environment, program, arguments)
    }

    /// Renga's own client, in the home directory.
    pub fn renga(&self, arguments: &[&str]) -> anyhow::Result<Ran> {
        self.run_in(self.home.path(), "renga", arguments)
    }

    /// A scratch folder of his.
    pub fn folder(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }
}

fn home() -> anyhow::Result<TempDir> {
    let home = tempfile::Builder::new().prefix("renga-e2e-home-").tempdir()?;
    std::fs::write(home.path().join(".gitconfig"), "[user]\nname = Ada\nemail = ada@example.com\n")?;
    Ok(home)
}

fn base(home: &Path, path: &OsStr) -> Vec<(OsString, OsString)> {
    vec![
        ("PATH".into(), path.into()),
        ("HOME".into(), home.into()),
        ("LANG".into(), "C.UTF-8".into()),
        // No desktop's key store: credentials lie in the scratch home.
        ("HEROKU_NETRC_WRITE".into(), "true".into()),
        ("GIT_TERMINAL_PROMPT".into(), "0".into()),
    ]
}
