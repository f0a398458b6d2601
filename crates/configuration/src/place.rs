//! Where configuration and state lie if nobody says otherwise.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::file::{ConfigurationFile, FileError};

/// Read if it is there and no other file is named.
pub const DEFAULT_FILE: &str = "/etc/renga/renga.toml";

pub(crate) fn default_data_dir() -> String {
    if nix::unistd::geteuid().is_root() {
        return "/var/lib/renga".to_owned();
    }
    let home = || std::env::home_dir().unwrap_or_default().join(".local/share");
    let base = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    base.unwrap_or_else(home).join("renga").to_string_lossy().into_owned()
}

/// The configuration file: the one named by a flag or else by `RENGA_CONFIG`
/// (an empty text names none), or the machine's own if there is one.
pub fn file_named(flag: Option<&Path>) -> Result<Option<ConfigurationFile>, FileError> {
    let variable = std::env::var_os("RENGA_CONFIG");
    match flag.map(Path::as_os_str).or(variable.as_deref()) {
        Some(none) if none == OsStr::new("") => Ok(None),
        Some(named) => ConfigurationFile::open(Path::new(named)).map(Some),
        None if Path::new(DEFAULT_FILE).exists() => ConfigurationFile::open(Path::new(DEFAULT_FILE)).map(Some),
        None => Ok(None),
    }
}

/// The data directory of this machine's server, for the commands beside it: as
/// the configuration file has it, or the default. A file that can't be read is
/// left to the server to complain of.
pub fn data_dir() -> PathBuf {
    let file = file_named(None).ok().flatten();
    let configured = file.and_then(|file| file.values.get("data_dir").cloned());
    configured.unwrap_or_else(default_data_dir).into()
}
