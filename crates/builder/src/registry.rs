//! The registry: what the names of buildpacks stand for on this platform.
//!
//! The names that every platform knows are carried in the binary; a file of the
//! operator's adds to them, takes their place, and names mirrors.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use domain::buildpack::{BuildpackRef, Place};
use serde::Deserialize;

static CARRIED: &str = include_str!("../registry.toml");
/// Names less alike than this are not taken for a slip of the pen.
const ALIKE: f64 = 0.6;

/// What the file looks like.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    buildpacks: BTreeMap<String, WrittenEntry>,
    /// URLs with one `*`, and the names that they stand for.
    #[serde(default)]
    aliases: BTreeMap<String, String>,
    /// Beginnings of URLs, and what takes their place.
    #[serde(default)]
    mirrors: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum WrittenEntry {
    Short(String),
    Long {
        source: String,
        #[serde(default)]
        description: String,
    },
}

/// A name of the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub name: String,
    pub description: String,
    pub source: Source,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Carried in the binary, in a folder of this name.
    BuiltIn(String),
    /// The app's own `bin`.
    Inline,
    /// A folder on the server.
    Folder(PathBuf),
    Url(BuildpackRef),
}

/// Where a buildpack comes from, after names, aliases and mirrors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    BuiltIn(String),
    Inline,
    /// A path inside the app.
    App(String),
    Folder(PathBuf),
    Git {
        url: String,
        reference: Option<String>,
    },
    Archive {
        url: String,
    },
}

#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    #[error("could not read the buildpack registry `{}`", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("the buildpack registry `{}` is wrong: {why}", path.display())]
    Wrong { path: PathBuf, why: String },
}

/// Why a reference names no buildpack; for the user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnknownBuildpack {
    #[error("There is no buildpack {name} in this platform's registry.{} `heroku buildpacks:search` lists all names; others are given by their URL.", meant.as_ref().map(|meant| format!(" Did you mean {meant}?")).unwrap_or_default())]
    Name { name: String, meant: Option<String> },
    #[error(
        "{reference}: builds have no key for {scheme}. Give the address with https://, and if the repository is private put a token in it: https://TOKEN@HOST/PATH."
    )]
    Scheme { reference: String, scheme: String },
    #[error("{reference} is not a URL that can be fetched: it must name a host.")]
    Url { reference: String },
}

/// The names known at one time.
#[derive(Debug, Default)]
pub struct Registry {
    entries: BTreeMap<String, Entry>,
    aliases: Vec<(String, String)>,
    mirrors: Vec<(String, String)>,
}

impl Registry {
    /// Those that are carried in the binary.
    pub fn carried() -> Self {
        let mut registry = Self::default();
        // A test reads it; the operator's file is checked in the same way.
        if let Err(why) = registry.add(CARRIED) {
            tracing::error!(why, "The registry in the binary is broken");
        }
        registry
    }

    fn add(&mut self, text: &str) -> Result<(), String> {
        let written: Written = toml::from_str(text).map_err(|error| error.to_string())?;
        for (name, entry) in written.buildpacks {
            let (source, description) = match entry {
                WrittenEntry::Short(source) => (source, String::new()),
                WrittenEntry::Long { source, description } => (source, description),
            };
            let is_name = name.parse::<BuildpackRef>().is_ok_and(|reference| reference.name() == Some(name.as_str()));
            if !is_name {
                return Err(format!("`{name}` is not a name: use two words with a slash, such as acme/base"));
            }
            let source = source.parse().map_err(|why| format!("{name}: {why}"))?;
            self.entries.insert(name.clone(), Entry { name, description, source });
        }
        if let Some((pattern, _)) = written.aliases.iter().find(|(pattern, _)| pattern.matches('*').count() != 1) {
            return Err(format!("the alias `{pattern}` must hold one `*`"));
        }
        self.aliases.extend(written.aliases);
        self.mirrors.extend(written.mirrors);
        // The longest beginning is the most particular.
        self.mirrors.sort_by_key(|(beginning, _)| std::cmp::Reverse(beginning.len()));
        Ok(())
    }

    /// In the order of their names.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    pub fn find(&self, name: &str) -> Option<&Entry> {
        self.entries.get(name)
    }

    /// Whether builds could look for it; it is not fetched.
    pub fn check(&self, reference: &BuildpackRef) -> Result<(), UnknownBuildpack> {
        self.locate(reference).map(|_| ())
    }

    pub(crate) fn locate(&self, reference: &BuildpackRef) -> Result<Origin, UnknownBuildpack> {
        if let Some(entry) = self.alias(reference) {
            return self.origin(entry);
        }
        match reference.place() {
            Place::Name(name) => match self.find(name) {
                Some(entry) => self.origin(entry),
                None => Err(UnknownBuildpack::Name { name: name.to_owned(), meant: self.meant(name) }),
            },
            Place::App(path) => Ok(Origin::App(path.to_owned())),
            Place::Archive(url) => Ok(Origin::Archive { url: self.checked(url, reference)? }),
            Place::Git { url, reference: at } => {
                Ok(Origin::Git { url: self.checked(url, reference)?, reference: at.map(str::to_owned) })
            }
            Place::Unsupported { scheme } => {
                Err(UnknownBuildpack::Scheme { reference: reference.to_string(), scheme: scheme.to_owned() })
            }
        }
    }

    fn origin(&self, entry: &Entry) -> Result<Origin, UnknownBuildpack> {
        Ok(match &entry.source {
            Source::BuiltIn(folder) => Origin::BuiltIn(folder.clone()),
            Source::Inline => Origin::Inline,
            Source::Folder(path) => Origin::Folder(path.clone()),
            Source::Url(reference) => match reference.place() {
                Place::Archive(url) => Origin::Archive { url: self.checked(url, reference)? },
                Place::Git { url, reference: at } => {
                    Origin::Git { url: self.checked(url, reference)?, reference: at.map(str::to_owned) }
                }
                _ => return Err(UnknownBuildpack::Url { reference: reference.to_string() }),
            },
        })
    }

    /// The mirror's URL, if there is one.
    fn checked(&self, url: &str, reference: &BuildpackRef) -> Result<String, UnknownBuildpack> {
        let mirrored = self
            .mirrors
            .iter()
            .find_map(|(from, to)| url.strip_prefix(from.as_str()).map(|rest| format!("{to}{rest}")));
        let url = mirrored.unwrap_or_else(|| url.to_owned());
        match url.parse::<fetch::Url>() {
            Ok(_) => Ok(url),
            Err(_) => Err(UnknownBuildpack::Url { reference: reference.to_string() }),
        }
    }

    fn alias(&self, reference: &BuildpackRef) -> Option<&Entry> {
        let text = reference.as_str();
        self.aliases.iter().find_map(|(pattern, name)| {
            let (before, after) = pattern.split_once('*')?;
            let middle = text.strip_prefix(before)?;
            let middle = middle.strip_suffix(after)?;
            let middle = middle.trim_end_matches('/').trim_end_matches(".git");
            self.find(&name.replace('*', middle))
        })
    }

    /// The name that is most like it.
    fn meant(&self, name: &str) -> Option<String> {
        let short = |name: &str| name.split_once('/').map_or(name, |(_, short)| short).to_owned();
        let alike = |known: &str| {
            let whole = strsim::normalized_damerau_levenshtein(known, name);
            let last = strsim::normalized_damerau_levenshtein(&short(known), &short(name));
            // The last word says what is meant; the whole name decides between equals.
            last + whole / 10.0
        };
        let best = self.entries.keys().map(|known| (alike(known), known));
        best.filter(|(alike, _)| *alike > ALIKE)
            .max_by(|one, other| one.0.total_cmp(&other.0))
            .map(|(_, name)| name.clone())
    }
}

impl std::str::FromStr for Source {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(folder) = text.strip_prefix("builtin:") {
            return match crate::buildpacks::is_built_in(folder) {
                true => Ok(Self::BuiltIn(folder.to_owned())),
                false => Err(format!("there is no built-in buildpack `{folder}`")),
            };
        }
        if text == "inline:" {
            return Ok(Self::Inline);
        }
        if text.starts_with('/') {
            return Ok(Self::Folder(PathBuf::from(text)));
        }
        match text.parse::<BuildpackRef>() {
            Ok(url) if matches!(url.place(), Place::Git { .. } | Place::Archive(_)) => Ok(Self::Url(url)),
            _ => Err(format!("`{text}` is neither an http(s) URL nor the path of a folder on this server")),
        }
    }
}

/// The registry with the operator's file, which may change while the server runs.
#[derive(Debug)]
pub(crate) struct RegistryFile {
    path: PathBuf,
    /// Whether it is an error that the file is not there.
    is_wanted: bool,
    last: Mutex<Option<(SystemTime, Arc<Registry>)>>,
}

impl RegistryFile {
    /// Fails if the file is there and wrong, or is not there although the
    /// operator named it.
    pub(crate) fn open(named: Option<PathBuf>, usual: PathBuf) -> Result<Self, RegistryError> {
        let is_wanted = named.is_some();
        let file = Self { path: named.unwrap_or(usual), is_wanted, last: Mutex::default() };
        file.read()?;
        Ok(file)
    }

    /// As the file is now; if it has become wrong, as it was before.
    pub(crate) fn current(&self) -> Arc<Registry> {
        match self.read() {
            Ok(registry) => registry,
            Err(error) => {
                tracing::error!(
                    error = crate::builder::chain(&error),
                    "The buildpack registry can't be read; what it said before holds"
                );
                let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
                last.as_ref().map_or_else(|| Arc::new(Registry::carried()), |(_, registry)| registry.clone())
            }
        }
    }

    fn read(&self) -> Result<Arc<Registry>, RegistryError> {
        let failed = |source| RegistryError::Read { path: self.path.clone(), source };
        let changed = match fs::metadata(&self.path).and_then(|file| file.modified()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && !self.is_wanted => SystemTime::UNIX_EPOCH,
            changed => changed.map_err(failed)?,
        };
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, registry)) = &*last
            && *at == changed
        {
            return Ok(registry.clone());
        }
        let mut registry = Registry::carried();
        if changed != SystemTime::UNIX_EPOCH {
            let text = fs::read_to_string(&self.path).map_err(failed)?;
            registry.add(&text).map_err(|why| self.wrong(why))?;
        }
        let registry = Arc::new(registry);
        *last = Some((changed, registry.clone()));
        Ok(registry)
    }

    fn wrong(&self, why: String) -> RegistryError {
        RegistryError::Wrong { path: self.path.clone(), why: why.trim().to_owned() }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests;
