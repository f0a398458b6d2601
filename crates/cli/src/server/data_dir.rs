//! A server's data directory, as the commands beside it read it.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

/// The `--data-dir` option, the same for every command that has it.
#[derive(Debug, Clone, clap::Args)]
pub struct DataDirArg {
    /// The server's data directory [default: as the configuration file says]
    #[arg(long, env = "RENGA_DATA_DIR", value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

impl DataDirArg {
    /// The directory as given, or the default one; it need not exist.
    pub fn path(&self) -> PathBuf {
        self.data_dir.clone().unwrap_or_else(configuration::data_dir)
    }
}

/// What a server writes to `run/server.json` once it serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerRecord {
    pub pid: i32,
    /// The addresses it listens on, as `127.0.0.1:5000`.
    pub listen: Vec<String>,
    /// The platform's own address for clients on this machine, without a path:
    /// `https://localhost:5000`.
    pub url: String,
}

impl ServerRecord {
    /// Whether a process of that number is there (it may be another by now).
    pub(crate) fn is_running(&self) -> bool {
        Path::new("/proc").join(self.pid.to_string()).exists()
    }
}

/// The owner's account, in `keys/owner.json` (mode 0600).
#[derive(Clone, Serialize, Deserialize)]
pub struct Owner {
    pub email: String,
    pub api_key: String,
}

const OWNER_FILE: &str = "keys/owner.json";

/// A data directory that exists.
#[derive(Debug, Clone)]
pub struct DataDir {
    path: PathBuf,
}

impl DataDir {
    /// Fails if there is no such directory.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        match path.canonicalize() {
            Ok(path) => Ok(Self { path }),
            Err(error) if error.kind() == ErrorKind::NotFound => bail!(
                "there is no data directory `{0}`; start a server first (renga server --data-dir {0}), or name the \
                 right directory with --data-dir",
                path.display()
            ),
            Err(error) => Err(error).with_context(|| format!("could not open the data directory `{}`", path.display())),
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the server listens, or last did.
    pub fn server(&self) -> anyhow::Result<ServerRecord> {
        self.read("run/server.json", "no server has served from it yet; start one: renga server")
    }

    /// The owner's key: only the owner of the directory can read it.
    pub fn owner(&self) -> anyhow::Result<Owner> {
        self.read(OWNER_FILE, "the owner's account is made when a server first starts: renga server")
    }

    /// The owner's key, or `None` for someone else on this machine, who may
    /// not read it and logs in with an account of his own.
    pub(crate) fn owner_if_allowed(&self) -> anyhow::Result<Option<Owner>> {
        let is_denied = |error: std::io::Error| error.kind() == ErrorKind::PermissionDenied;
        if std::fs::File::open(self.path.join(OWNER_FILE)).is_err_and(is_denied) {
            return Ok(None);
        }
        self.owner().map(Some)
    }

    /// The certificate of the server's own authority, in PEM.
    pub fn authority(&self) -> PathBuf {
        self.path.join("tls/ca.pem")
    }

    fn read<T: for<'de> Deserialize<'de>>(&self, name: &str, if_absent: &str) -> anyhow::Result<T> {
        let path = self.path.join(name);
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                bail!("the data directory `{}` has no {name}: {if_absent}", self.path.display())
            }
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                bail!("`{}` may only be read by the owner of the data directory (try with sudo)", path.display())
            }
            Err(error) => return Err(error).with_context(|| format!("could not read `{}`", path.display())),
        };
        serde_json::from_slice(&text).with_context(|| format!("`{}` is not what a server writes", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_told_with_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let none = DataDir::open(&dir.path().join("none")).unwrap_err().to_string();
        assert!(none.contains("start a server first"), "{none}");
        let empty = DataDir::open(dir.path()).unwrap();
        let error = empty.server().unwrap_err().to_string();
        assert!(error.contains("run/server.json") && error.contains("renga server"), "{error}");
    }
}
