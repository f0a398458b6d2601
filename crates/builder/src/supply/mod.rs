//! Buildpacks from anywhere, brought to a build: by name, from a repository, an
//! archive, a folder of the server or of the app.
//!
//! What is fetched stays bytes: a pack or an archive that the build dyno
//! unpacks for itself. It is fetched once per version and kept; if its source
//! can't be reached later, the last copy is used, and the build says so.

mod git;
mod shelf;

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::Command;

use domain::buildpack::BuildpackRef;
use fetch::{FetchError, Fetcher, Url};
use ring::digest::{Context, Digest, SHA256};

use self::git::{GitError, Remote};
use self::shelf::Note;
pub(crate) use self::shelf::Shelf;
use crate::error::{Platform, io_error};
use crate::registry::{Origin, RegistryFile, UnknownBuildpack};
use crate::scratch;

/// A buildpack is some kilobytes; those that carry programs are larger.
const MOST_BYTES: u64 = 256 * 1024 * 1024;

/// All that buildpacks come from.
#[derive(Debug)]
pub(crate) struct Supplies {
    pub(crate) registry: RegistryFile,
    pub(crate) shelf: Shelf,
    pub(crate) fetcher: Fetcher,
}

/// A buildpack that a build can have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Supplied {
    /// As the app names it, without passwords.
    pub(crate) shown: String,
    pub(crate) parcel: Parcel,
    /// What the build says of it.
    pub(crate) words: Vec<String>,
}

/// In which form the driver gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Parcel {
    BuiltIn {
        folder: String,
    },
    Inline,
    /// A path inside the app.
    App(String),
    /// A pack in the read-only folder, and the commit to check out.
    Pack {
        file: String,
        commit: String,
    },
    /// A tar archive there, compressed or not.
    Archive {
        file: String,
    },
}

/// Why a buildpack can't be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotSupplied {
    #[error(transparent)]
    Unknown(#[from] UnknownBuildpack),
    /// Nothing was ever fetched from there.
    #[error(transparent)]
    Git(#[from] GitError),
    #[error("the registry names the folder `{}` of the server for it, which is not there; ask the operator", .0.display())]
    NoFolder(PathBuf),
    #[error(transparent)]
    Platform(#[from] Platform),
}

impl From<FetchError> for NotSupplied {
    fn from(error: FetchError) -> Self {
        Self::Git(error.into())
    }
}

impl fetch::Failure for NotSupplied {
    fn of_fetch(&self) -> Option<&FetchError> {
        match self {
            Self::Git(GitError::Fetch(error)) => Some(error),
            _ => None,
        }
    }
}

impl NotSupplied {
    pub(crate) fn is_stopped(&self) -> bool {
        matches!(self, Self::Git(GitError::Fetch(FetchError::Stopped)))
    }

    /// What to do about it, beside what the error says.
    pub(crate) fn advice(&self, registry: &Path) -> Vec<String> {
        let Self::Git(GitError::Fetch(error)) = self else { return Vec::new() };
        match error {
            FetchError::Unreachable { .. } | FetchError::TimedOut { .. } => vec![
                "It was not fetched before, so there is no copy of it here. Without a way to the internet, let the"
                    .to_owned(),
                format!("operator name a mirror or a folder of the server in {}", registry.display()),
                "(docs/buildpacks.md), or put the buildpack into the app and name its folder: ./my-buildpack"
                    .to_owned(),
            ],
            FetchError::Private { .. } => {
                vec!["If it may, let the operator start the server with --allow-private-sources true.".to_owned()]
            }
            _ => Vec::new(),
        }
    }
}

/// A file on the shelf, and how it came to be there.
struct Fetched {
    path: PathBuf,
    version: String,
    how: How,
}

enum How {
    JustNow,
    /// It is what the source has now.
    Before,
    /// The source is away, and had it then.
    LastSeen {
        at_unix_s: u64,
        error: FetchError,
    },
}

impl Fetched {
    /// What the build says of it: `kind` is commit or archive.
    fn words(&self, shown: &str, kind: &str) -> Vec<String> {
        let version = self.version.get(..7).unwrap_or(&self.version);
        match &self.how {
            How::JustNow => vec![format!("       {shown}: {kind} {version}, fetched")],
            How::Before => vec![format!("       {shown}: {kind} {version}, fetched before")],
            How::LastSeen { at_unix_s, error } => vec![
                format!(" !     Warning: {error}."),
                format!(" !     The copy fetched before is used: {kind} {version}, of {}.", date(*at_unix_s)),
            ],
        }
    }
}

impl Supplies {
    /// Brings one buildpack; what is fetched for it lies in `folder` afterwards,
    /// under a name made of `index`. Blocks, for minutes at most.
    pub(crate) fn supply(
        &self,
        reference: &BuildpackRef,
        index: usize,
        folder: &Path,
        stop: &dyn Fn() -> bool,
    ) -> Result<Supplied, NotSupplied> {
        let shown = reference.to_string();
        let file = format!("buildpack-{index}");
        let (parcel, words) = match self.registry.current().locate(reference)? {
            Origin::BuiltIn(folder) => (Parcel::BuiltIn { folder }, Vec::new()),
            Origin::Inline => (Parcel::Inline, Vec::new()),
            Origin::App(path) => (Parcel::App(path), Vec::new()),
            Origin::Folder(path) => {
                copy_folder(&path, &folder.join(&file))?;
                (Parcel::Archive { file }, Vec::new())
            }
            Origin::Git { url, reference } => {
                let fetched = self.git(&url, reference.as_deref(), stop)?;
                lay_out(&fetched.path, &folder.join(&file))?;
                let words = fetched.words(&shown, "commit");
                (Parcel::Pack { file, commit: fetched.version }, words)
            }
            Origin::Archive { url } => {
                let fetched = self.archive(&url, stop)?;
                lay_out(&fetched.path, &folder.join(&file))?;
                (Parcel::Archive { file }, fetched.words(&shown, "archive"))
            }
        };
        Ok(Supplied { shown, parcel, words })
    }

    /// Throws the copy away: it could not be unpacked.
    pub(crate) fn forget(&self, reference: &BuildpackRef) -> Result<(), Platform> {
        match self.registry.current().locate(reference) {
            Ok(Origin::Git { url, reference }) => self.shelf.forget(&with_ref(&url, reference.as_deref()), &url),
            Ok(Origin::Archive { url }) => self.shelf.forget(&url, &url),
            _ => Ok(()),
        }
    }

    fn git(&self, url: &str, reference: Option<&str>, stop: &dyn Fn() -> bool) -> Result<Fetched, NotSupplied> {
        let what = with_ref(url, reference);
        let known = self.shelf.note(&what);
        // A commit never changes: no one need be asked.
        if let Some(commit) = reference.filter(|name| git::is_commit(name))
            && let Some(path) = self.shelf.find(url, commit)
        {
            return Ok(Fetched { path, version: commit.to_owned(), how: How::Before });
        }
        match self.git_from_its_host(url, reference, stop) {
            Ok(fetched) => {
                self.shelf.write_note(&what, &Note::now(fetched.version.clone()))?;
                Ok(fetched)
            }
            Err(NotSupplied::Git(GitError::Fetch(error))) => self.last_copy(url, known, error),
            Err(error) => Err(error),
        }
    }

    fn git_from_its_host(
        &self,
        url: &str,
        reference: Option<&str>,
        stop: &dyn Fn() -> bool,
    ) -> Result<Fetched, NotSupplied> {
        let address = parsed(url)?;
        let (remote, commit) = self.fetcher.retry(stop, || {
            let remote = Remote::open(&self.fetcher, &address)?;
            let commit = remote.commit(reference)?;
            Ok::<_, GitError>((remote, commit))
        })?;
        if let Some(path) = self.shelf.find(url, &commit) {
            return Ok(Fetched { path, version: commit, how: How::Before });
        }
        let pack = self.fetcher.retry(stop, || {
            let mut unfinished = self.shelf.unfinished()?;
            remote.pack(&commit, &mut unfinished, MOST_BYTES, stop)?;
            Ok::<_, NotSupplied>(unfinished)
        })?;
        let path = self.shelf.put(url, &commit, pack)?;
        Ok(Fetched { path, version: commit, how: How::JustNow })
    }

    fn archive(&self, url: &str, stop: &dyn Fn() -> bool) -> Result<Fetched, NotSupplied> {
        let known = self.shelf.note(url);
        match self.archive_from_its_host(url, known.clone(), stop) {
            Err(NotSupplied::Git(GitError::Fetch(error))) => self.last_copy(url, known, error),
            other => other,
        }
    }

    fn archive_from_its_host(
        &self,
        url: &str,
        known: Option<Note>,
        stop: &dyn Fn() -> bool,
    ) -> Result<Fetched, NotSupplied> {
        let address = parsed(url)?;
        let kept = known.and_then(|note| self.shelf.find(url, &note.version).map(|path| (note, path)));
        let mut asked: Vec<(&str, &str)> = Vec::new();
        if let Some((note, _)) = &kept {
            asked.extend(note.etag.as_deref().map(|tag| ("If-None-Match", tag)));
            asked.extend(note.last_modified.as_deref().map(|at| ("If-Modified-Since", at)));
        }
        let answered = self.fetcher.retry(stop, || {
            let answer = self.fetcher.get(&address, &asked)?;
            if answer.status == 304 && kept.is_some() {
                return Ok(None);
            }
            let answer = answer.ok()?;
            let header = |name| answer.header(name).map(str::to_owned);
            let (etag, last_modified) = (header("etag"), header("last-modified"));
            let mut unfinished = self.shelf.unfinished()?;
            answer.copy(&mut unfinished, MOST_BYTES, stop)?;
            Ok::<_, NotSupplied>(Some((unfinished, etag, last_modified)))
        })?;
        let Some((unfinished, etag, last_modified)) = answered else {
            let odd =
                || FetchError::Unexpected { host: address.host().to_owned(), why: "nothing was asked".to_owned() };
            let (note, path) = kept.ok_or_else(odd)?;
            self.shelf.write_note(
                url,
                &Note { etag: note.etag, last_modified: note.last_modified, ..Note::now(note.version.clone()) },
            )?;
            return Ok(Fetched { path, version: note.version, how: How::Before });
        };
        let version = digest_of(unfinished.path()).map_err(|error| io_error("read", unfinished.path(), error))?;
        let path = self.shelf.put(url, &version, unfinished)?;
        self.shelf.write_note(url, &Note { etag, last_modified, ..Note::now(version.clone()) })?;
        Ok(Fetched { path, version, how: How::JustNow })
    }

    /// What was fetched before, if the source may be back later.
    fn last_copy(&self, url: &str, known: Option<Note>, error: FetchError) -> Result<Fetched, NotSupplied> {
        let kept = known.filter(|_| error.is_passing());
        let kept = kept.and_then(|note| self.shelf.find(url, &note.version).map(|path| (note, path)));
        let Some((note, path)) = kept else { return Err(error.into()) };
        let how = How::LastSeen { at_unix_s: note.seen_at_unix_s, error };
        Ok(Fetched { path, version: note.version, how })
    }
}

fn parsed(url: &str) -> Result<Url, NotSupplied> {
    let shown = url.rsplit('@').next().unwrap_or_default();
    url.parse().map_err(|_| UnknownBuildpack::Url { reference: shown.to_owned() }.into())
}

fn with_ref(url: &str, reference: Option<&str>) -> String {
    format!("{url}#{}", reference.unwrap_or_default())
}

fn date(unix_s: u64) -> String {
    let at = i64::try_from(unix_s).ok().and_then(|unix_s| jiff::Timestamp::from_second(unix_s).ok());
    at.map_or_else(String::new, |at| at.to_string())
}

/// A name on disk for a text of any kind.
fn key(text: &str) -> String {
    hex(ring::digest::digest(&SHA256, text.as_bytes()))
}

/// The SHA-256 of a file, which may be large.
fn digest_of(path: &Path) -> io::Result<String> {
    let mut file = fs::File::open(path)?;
    let mut context = Context::new(&SHA256);
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex(context.finish())),
            read => context.update(&buffer[..read]),
        }
    }
}

fn hex(digest: Digest) -> String {
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The same file under another name, so that it stays while the build needs it.
fn lay_out(from: &Path, to: &Path) -> Result<(), Platform> {
    if fs::hard_link(from, to).is_err() {
        // Another filesystem, or one without links.
        fs::copy(from, to).map_err(|source| io_error("copy", from, source))?;
    }
    Ok(())
}

/// A folder of the operator's as a tar archive.
fn copy_folder(from: &Path, to: &Path) -> Result<(), NotSupplied> {
    if !from.is_dir() {
        return Err(NotSupplied::NoFolder(from.to_owned()));
    }
    let mut tar = Command::new("tar");
    tar.arg("--create").arg("--file").arg(to).args(["--exclude-vcs", "--directory"]).arg(from).arg(".");
    Ok(scratch::run(&mut tar, "tar")?)
}

#[cfg(test)]
mod tests;
