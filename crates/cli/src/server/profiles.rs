//! The servers that the user logged in to: `renga/profiles.json` in his
//! configuration folder, readable by nobody else.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

use crate::nearest::did_you_mean;

/// The profile of the server of this machine, where another account than the
/// owner's was logged in to it.
pub(crate) const LOCAL: &str = "local";

#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Profiles {
    /// The last that was logged in to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    current: Option<String>,
    #[serde(default)]
    profiles: BTreeMap<String, Profile>,
    #[serde(skip)]
    folder: PathBuf,
}

/// One server and an account there.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Profile {
    #[serde(flatten)]
    pub(crate) place: Place,
    pub(crate) email: String,
    pub(crate) api_key: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Place {
    /// On this machine; its address is in the directory.
    Local { data_dir: PathBuf },
    Remote {
        url: String,
        /// The file with the authority that was pinned; `None`: the system's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        authority: Option<PathBuf>,
    },
}

impl Profiles {
    /// Those of this user; none, if he never logged in.
    pub(crate) fn open() -> anyhow::Result<Self> {
        Self::read(&config_folder().context("there is no home directory to keep profiles in: set HOME")?)
    }

    fn read(folder: &Path) -> anyhow::Result<Self> {
        let path = folder.join("profiles.json");
        let read: Self = match std::fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text)
                .with_context(|| format!("`{}` is damaged: remove it and log in again", path.display()))?,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Self::default(),
            Err(error) => return Err(error).with_context(|| format!("could not read `{}`", path.display())),
        };
        Ok(Self { folder: folder.to_owned(), ..read })
    }

    pub(crate) fn current(&self) -> Option<&str> {
        self.current.as_deref().filter(|name| self.profiles.contains_key(*name))
    }

    pub(crate) fn get(&self, name: &str) -> anyhow::Result<&Profile> {
        self.profiles.get(name).with_context(|| {
            let hint = did_you_mean(name, self.names());
            format!("there is no profile `{name}`.{hint} `renga login https://HOST --profile {name}` makes it")
        })
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.profiles.keys().map(String::as_str)
    }

    /// The account that was logged in to the server of a data directory.
    pub(crate) fn at(&self, data_dir: &Path) -> Option<&Profile> {
        self.profiles.get(self.named_at(data_dir)?)
    }

    /// The name of that profile.
    pub(crate) fn named_at(&self, data_dir: &Path) -> Option<&str> {
        let is_there = |place: &Place| matches!(place, Place::Local { data_dir: dir } if dir == data_dir);
        self.profiles.iter().find(|(_, profile)| is_there(&profile.place)).map(|(name, _)| name.as_str())
    }

    /// Keeps a login and makes it the current one.
    pub(crate) fn keep(&mut self, name: &str, profile: Profile) -> anyhow::Result<()> {
        self.profiles.insert(name.to_owned(), profile);
        self.current = Some(name.to_owned());
        self.write()
    }

    /// Forgets a login, and the authority that was pinned for it.
    pub(crate) fn forget(&mut self, name: &str) -> anyhow::Result<()> {
        let gone = self.profiles.remove(name);
        if self.current.as_deref() == Some(name) {
            self.current = self.profiles.keys().next().cloned();
        }
        self.write()?;
        if let Some(Profile { place: Place::Remote { authority: Some(path), .. }, .. }) = gone
            && path == self.authority_path(name)
        {
            std::fs::remove_file(&path).with_context(|| format!("could not remove `{}`", path.display()))?;
        }
        Ok(())
    }

    /// Keeps an authority's certificate beside the profiles.
    pub(crate) fn pin(&self, name: &str, pem: &[u8]) -> anyhow::Result<PathBuf> {
        let path = self.authority_path(name);
        write_whole(&path, pem)?;
        Ok(path)
    }

    fn authority_path(&self, name: &str) -> PathBuf {
        self.folder.join("authorities").join(format!("{name}.pem"))
    }

    fn write(&self) -> anyhow::Result<()> {
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        write_whole(&self.folder.join("profiles.json"), &text)
    }
}

/// A profile's name is also a file's.
pub(crate) fn check_name(name: &str) -> anyhow::Result<()> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if name.is_empty() || name.starts_with('.') || !name.chars().all(fits) {
        bail!("`{name}` can't be a profile's name: use letters, digits, `.`, `-` and `_`");
    }
    Ok(())
}

fn config_folder() -> Option<PathBuf> {
    let named = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    Some(named.or_else(|| Some(std::env::home_dir()?.join(".config")))?.join("renga"))
}

/// All or nothing, with mode 0600 in a folder of mode 0700.
fn write_whole(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    let write = || -> std::io::Result<()> {
        if let Some(folder) = path.parent() {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        let unfinished = path.with_extension(format!("{}.new", std::process::id()));
        let mut file =
            std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
        file.write_all(content)?;
        std::fs::rename(&unfinished, path)
    };
    write().with_context(|| format!("could not write `{}`", path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn remote(authority: Option<PathBuf>) -> Profile {
        let place = Place::Remote { url: "https://renga.example.com".to_owned(), authority };
        Profile { place, email: "ada@example.com".to_owned(), api_key: "HRKU-1".to_owned() }
    }

    #[test]
    fn a_login_is_kept_for_its_user_alone_and_forgotten_whole() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("renga");
        let mut profiles = Profiles::read(&folder).unwrap();
        assert_eq!(profiles.current(), None);
        let authority = profiles.pin("work", b"certificate").unwrap();
        profiles.keep("work", remote(Some(authority.clone()))).unwrap();
        let mode = std::fs::metadata(folder.join("profiles.json")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);

        let mut again = Profiles::read(&folder).unwrap();
        assert_eq!(again.current(), Some("work"));
        assert_eq!(again.get("work").unwrap().api_key, "HRKU-1");
        again.forget("work").unwrap();
        assert!(!authority.exists());
        assert_eq!(Profiles::read(&folder).unwrap().current(), None);
    }

    #[test]
    fn an_unknown_profile_is_told_with_the_nearest() {
        let dir = tempfile::tempdir().unwrap();
        let mut profiles = Profiles::read(dir.path()).unwrap();
        profiles.keep("example.com", remote(None)).unwrap();
        let error = profiles.get("exampel.com").err().unwrap().to_string();
        assert!(error.contains("Did you mean `example.com`?") && error.contains("renga login"), "{error}");
    }

    #[test]
    fn an_account_on_this_machine_is_found_by_the_directory() {
        let dir = tempfile::tempdir().unwrap();
        let mut profiles = Profiles::read(dir.path()).unwrap();
        let place = Place::Local { data_dir: "/var/lib/renga".into() };
        profiles.keep(LOCAL, Profile { place, ..remote(None) }).unwrap();
        let again = Profiles::read(dir.path()).unwrap();
        assert!(again.at(Path::new("/var/lib/renga")).is_some() && again.at(Path::new("/srv")).is_none());
    }

    #[test]
    fn a_name_is_a_file_name() {
        assert!(check_name("renga.example.com").is_ok());
        for bad in ["", "../x", "a/b", ".hidden", "a b"] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }
}
