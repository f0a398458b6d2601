//! Which server a command speaks to, as whom, and whom it trusts for it.

pub(crate) mod bundle;
mod data_dir;
mod netrc;
pub(crate) mod profiles;
pub(crate) mod trust;
mod url;

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

pub use data_dir::{DataDir, DataDirArg, Owner, ServerRecord};
use profiles::{Place, Profiles};
pub(crate) use trust::Trust;
pub(crate) use url::ServerUrl;

/// The options that choose a server, the same for every command.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct ServerArgs {
    /// A server that you logged in to [env: RENGA_PROFILE] [default: this machine's own, else the last login]
    #[arg(long, value_name = "PROFILE")]
    pub(crate) profile: Option<String>,
    /// The data directory of a server on this machine [env: RENGA_DATA_DIR]
    #[arg(long, value_name = "DIR", conflicts_with = "profile")]
    pub(crate) data_dir: Option<PathBuf>,
}

/// How a server is named again, in a command of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Chosen {
    Profile(String),
    DataDir(PathBuf),
}

impl Chosen {
    /// As options of this program.
    pub(crate) fn options(&self) -> anyhow::Result<[String; 2]> {
        Ok(match self {
            Self::Profile(name) => ["--profile".to_owned(), name.clone()],
            Self::DataDir(path) => {
                let path = path
                    .to_str()
                    .with_context(|| format!("`{}` is not valid UTF-8: use another directory", path.display()))?;
                ["--data-dir".to_owned(), path.to_owned()]
            }
        })
    }
}

/// A server, and who calls it.
pub(crate) struct Server {
    pub(crate) chosen: Chosen,
    pub(crate) url: ServerUrl,
    pub(crate) trust: Trust,
    /// `None`: nobody is logged in.
    pub(crate) api_key: Option<String>,
}

impl ServerArgs {
    /// The chosen server, with the key of who uses it.
    pub(crate) fn find(&self) -> anyhow::Result<Server> {
        let profiles = Profiles::open()?;
        match self.choose(&profiles)? {
            Chosen::DataDir(path) => Server::local(&DataDir::open(&path)?, &profiles),
            Chosen::Profile(name) => match &profiles.get(&name)?.place {
                Place::Local { data_dir } => Server::local(&DataDir::open(data_dir)?, &profiles),
                Place::Remote { .. } => Server::remote(name, &profiles),
            },
        }
    }

    /// The data directory that is meant where a server of this machine is.
    pub(crate) fn local_data_dir(&self) -> PathBuf {
        self.data_dir
            .clone()
            .or_else(|| variable("RENGA_DATA_DIR").map(PathBuf::from))
            .unwrap_or_else(configuration::data_dir)
    }

    fn choose(&self, profiles: &Profiles) -> anyhow::Result<Chosen> {
        let from_environment =
            Self { profile: variable("RENGA_PROFILE"), data_dir: variable("RENGA_DATA_DIR").map(PathBuf::from) };
        match chosen(self, from_environment, OfMachine::look(), profiles.current()) {
            Some(chosen) => Ok(chosen),
            None => bail!(
                "no server is known here. Start one on this machine (renga server), or log in to one elsewhere: renga \
                 login https://HOST"
            ),
        }
    }
}

/// The server that this machine has of its own, in the default data directory.
enum OfMachine {
    None,
    Stopped(PathBuf),
    Running(PathBuf),
}

impl OfMachine {
    fn look() -> Self {
        let path = configuration::data_dir();
        match DataDir::open(&path).and_then(|data_dir| data_dir.server()) {
            Ok(server) if server.is_running() => Self::Running(path),
            Ok(_) => Self::Stopped(path),
            Err(_) => Self::None,
        }
    }
}

/// Whether commands without an option go to this machine's own server, even
/// after a login to another.
pub(crate) fn prefers_this_machine() -> bool {
    matches!(OfMachine::look(), OfMachine::Running(_))
}

/// What is said on the command line comes before the environment, and that
/// before what lies on the machine: its own server, unless that is stopped and
/// there is a login to another.
fn chosen(said: &ServerArgs, environment: ServerArgs, local: OfMachine, last_login: Option<&str>) -> Option<Chosen> {
    let of = |args: ServerArgs| args.profile.map(Chosen::Profile).or(args.data_dir.map(Chosen::DataDir));
    of(said.clone()).or_else(|| of(environment)).or_else(|| match (local, last_login) {
        (OfMachine::Running(path), _) | (OfMachine::Stopped(path), None) => Some(Chosen::DataDir(path)),
        (OfMachine::Stopped(_) | OfMachine::None, Some(name)) => Some(Chosen::Profile(name.to_owned())),
        (OfMachine::None, None) => None,
    })
}

impl Server {
    fn local(data_dir: &DataDir, profiles: &Profiles) -> anyhow::Result<Self> {
        let url: ServerUrl = data_dir.server()?.url.parse()?;
        let stored = || profiles.at(data_dir.path()).map(|profile| profile.api_key.clone());
        let api_key = match own_key().or_else(stored) {
            Some(key) => Some(key),
            None => match data_dir.owner_if_allowed()? {
                Some(owner) => Some(owner.api_key),
                None => key_of_cli(&url),
            },
        };
        let trust = Trust::Authority(data_dir.authority());
        Ok(Self { chosen: Chosen::DataDir(data_dir.path().to_owned()), url, trust, api_key })
    }

    fn remote(name: String, profiles: &Profiles) -> anyhow::Result<Self> {
        let profile = profiles.get(&name)?;
        let Place::Remote { url, authority } = &profile.place else {
            bail!("the profile `{name}` is of a server on this machine");
        };
        let url: ServerUrl = url.parse()?;
        let api_key = Some(own_key().unwrap_or_else(|| profile.api_key.clone()));
        let trust = authority.clone().map_or(Trust::System, Trust::Authority);
        Ok(Self { chosen: Chosen::Profile(name), url, trust, api_key })
    }

    /// The data directory, if the server is on this machine.
    pub(crate) fn data_dir(&self) -> Option<&Path> {
        match &self.chosen {
            Chosen::DataDir(path) => Some(path),
            Chosen::Profile(_) => None,
        }
    }

    /// What to do if the server does not answer.
    pub(crate) fn how_to_reach(&self) -> String {
        match &self.chosen {
            Chosen::DataDir(path) => {
                format!("start it on this machine: renga server --data-dir {}", path.display())
            }
            Chosen::Profile(_) if self.url.is_loopback() => {
                format!("is the tunnel open? ssh -L {0}:localhost:{0} HOST", self.url.port())
            }
            Chosen::Profile(name) => {
                format!("does it run, and does a firewall let you in? (profile {name}; --profile names another)")
            }
        }
    }

    /// What to do to be someone there.
    pub(crate) fn how_to_log_in(&self) -> String {
        match &self.chosen {
            Chosen::DataDir(path) => format!("renga login --data-dir {}", path.display()),
            Chosen::Profile(name) => format!("renga login {} --profile {name}", self.url),
        }
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn own_key() -> Option<String> {
    variable("RENGA_API_KEY")
}

/// The key that the official CLI uses for this server, from its environment or
/// where its login stored it.
pub(crate) fn key_of_cli(url: &ServerUrl) -> Option<String> {
    let is_this =
        |host: String| host.trim_end_matches("/localhost").parse::<ServerUrl>().is_ok_and(|host| host == *url);
    let set = variable("HEROKU_HOST").filter(|host| is_this(host.clone())).and_then(|_| variable("HEROKU_API_KEY"));
    set.or_else(|| netrc::stored(&url.host()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(profile: Option<&str>, data_dir: Option<&str>) -> ServerArgs {
        ServerArgs { profile: profile.map(str::to_owned), data_dir: data_dir.map(PathBuf::from) }
    }

    #[test]
    fn what_is_said_wins_over_the_environment_and_that_over_what_is_there() {
        let none = || args(None, None);
        let running = || OfMachine::Running("/var/lib/renga".into());
        let stopped = || OfMachine::Stopped("/var/lib/renga".into());
        let profile = |name: &str| Some(Chosen::Profile(name.to_owned()));
        let data_dir = |path: &str| Some(Chosen::DataDir(path.into()));
        assert_eq!(chosen(&args(None, Some("/a")), args(Some("b"), None), running(), Some("c")), data_dir("/a"));
        assert_eq!(chosen(&args(Some("a"), None), args(None, Some("/b")), running(), Some("c")), profile("a"));
        assert_eq!(chosen(&none(), args(Some("b"), Some("/b")), running(), Some("c")), profile("b"));
        assert_eq!(chosen(&none(), none(), running(), Some("c")), data_dir("/var/lib/renga"));
        assert_eq!(chosen(&none(), none(), stopped(), Some("c")), profile("c"));
        assert_eq!(chosen(&none(), none(), stopped(), None), data_dir("/var/lib/renga"));
        assert_eq!(chosen(&none(), none(), OfMachine::None, Some("c")), profile("c"));
        assert_eq!(chosen(&none(), none(), OfMachine::None, None), None);
    }
}
