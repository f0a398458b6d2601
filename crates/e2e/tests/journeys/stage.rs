//! What journeys share: the binary, the tools, one server.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, ensure};
use e2e::{Person, Repository, Server, Tools, eventually};

/// Dynos take a moment to stop; builds of other journeys may be in the way.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Stage {
    program: PathBuf,
    tools: Tools,
    /// Started by the first journey that wants it.
    shared: Mutex<Option<Arc<Server>>>,
}

impl Stage {
    /// Fails with what is missing.
    pub(crate) fn prepare() -> anyhow::Result<Self> {
        ensure!(nix::unistd::geteuid().is_root(), "journeys need root: they run dynos");
        let tools = Tools::find().context("the official CLI is not here: `cargo xtask test` installs it")?;
        let program = match std::env::var_os("RENGA_E2E_BINARY") {
            Some(program) => PathBuf::from(program),
            None => beside_this_test()?,
        };
        ensure!(program.is_file(), "`{}` is not built: cargo build --bin renga", program.display());
        Ok(Self { program, tools, shared: Mutex::default() })
    }

    /// The server that most journeys share.
    pub(crate) fn server(&self) -> anyhow::Result<Arc<Server>> {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(server) = &*shared {
            return Ok(server.clone());
        }
        let server = Arc::new(self.server_of_its_own()?);
        *shared = Some(server.clone());
        Ok(server)
    }

    /// A server for journeys that end it.
    pub(crate) fn server_of_its_own(&self) -> anyhow::Result<Server> {
        Server::start(&self.program)
    }

    /// The same with further options of `renga server`.
    pub(crate) fn server_of_its_own_with(&self, options: &[&str]) -> anyhow::Result<Server> {
        Server::start_with(&self.program, options)
    }

    /// A server whose data directory someone else fills.
    pub(crate) fn server_to_be(&self) -> anyhow::Result<Server> {
        Server::not_started(&self.program, &[])
    }

    pub(crate) fn owner_of(&self, server: &Server) -> anyhow::Result<Person> {
        Person::owner(server, &self.tools)
    }

    /// The owner of the shared server, in a home of his own.
    pub(crate) fn owner(&self) -> anyhow::Result<Person> {
        let server = self.server()?;
        self.owner_of(&server)
    }

    /// Someone who has yet to log in to the shared server.
    pub(crate) fn stranger(&self) -> anyhow::Result<Person> {
        let server = self.server()?;
        Person::stranger(&server, &self.tools)
    }

    /// Someone at another machine, with the programs of this one.
    pub(crate) fn afar(&self) -> anyhow::Result<Person> {
        Person::afar(&self.program, &self.tools)
    }

    /// A `PATH` on which the official CLI, its Node and git lie.
    pub(crate) fn path(&self) -> &OsStr {
        self.tools.path()
    }

    /// What the shared server said, for when a journey has failed.
    pub(crate) fn show_log(&self) {
        if let Some(server) = &*self.shared.lock().unwrap_or_else(PoisonError::into_inner) {
            eprintln!("--- the shared server's log\n{}", server.log());
        }
    }
}

/// A new app with the code of `crates/e2e/apps/probe`, which answers.
pub(crate) fn deployed<'a>(server: &Server, person: &'a Person, app: &str) -> anyhow::Result<Repository<'a>> {
    let repository = Repository::of(person, "probe", app)?;
    repository.heroku(&["apps:create", app])?.ok()?;
    repository.push()?.ok()?;
    server.app_says(app, "/", "version one")?;
    Ok(repository)
}

/// Asks until the CLI's answer suits.
pub(crate) fn eventually_says(person: &Person, arguments: &[&str], text: &str) -> anyhow::Result<()> {
    eventually(PATIENCE, || person.heroku(arguments)?.ok()?.says(text)).map(|_| ())
}

fn beside_this_test() -> anyhow::Result<PathBuf> {
    let test = std::env::current_exe()?;
    let profile = test.ancestors().nth(2).context("this test lies in no target folder")?;
    Ok(profile.join("renga"))
}
