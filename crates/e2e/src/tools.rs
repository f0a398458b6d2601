//! The programs that journeys need, where `cargo xtask test` puts them.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// The repository's top folder.
pub fn workspace_root() -> PathBuf {
    let crate_dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_dir.ancestors().nth(2).unwrap_or(crate_dir).to_owned()
}

/// The official CLI with a Node that is recent enough for it.
#[derive(Debug, Clone)]
pub struct Tools {
    path: OsString,
}

impl Tools {
    /// `None` if the official CLI is neither in `target/tools` nor on the PATH.
    pub fn find() -> Option<Self> {
        let tools = Self::folder();
        let inherited = std::env::var_os("PATH").unwrap_or_default();
        let own = [Self::node_folder(), tools.join("heroku/node_modules/.bin")];
        let folders: Vec<PathBuf> =
            own.into_iter().filter(|folder| folder.is_dir()).chain(std::env::split_paths(&inherited)).collect();
        folders.iter().any(|folder| folder.join("heroku").exists()).then_some(())?;
        Some(Self { path: std::env::join_paths(folders).ok()? })
    }

    /// Where `cargo xtask test` installs them.
    pub fn folder() -> PathBuf {
        workspace_root().join("target/tools")
    }

    /// Where Node lies, if the machine's own would not do.
    pub fn node_folder() -> PathBuf {
        let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" };
        Self::folder().join(format!("node/node_modules/node-linux-{architecture}/bin"))
    }

    /// A `PATH` with these tools first.
    pub fn path(&self) -> &OsStr {
        &self.path
    }
}
