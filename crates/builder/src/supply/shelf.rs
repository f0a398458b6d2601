//! Fetched buildpacks on disk: packs and archives, and a note per URL that says
//! which of them it was last. What has not been used for longest goes first.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use super::key;
use crate::error::{Platform, io_error};

/// Where the notes end in their names.
const NOTE: &str = "json";
/// What a crash may have cut off is older than this.
const LEFT_OVER: Duration = Duration::from_secs(3600);

#[derive(Debug, Clone)]
pub(crate) struct Shelf {
    pub(crate) folder: PathBuf,
    pub(crate) limit_bytes: u64,
}

/// What was fetched last from a URL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Note {
    /// The commit, or the SHA-256 of the archive.
    pub(crate) version: String,
    /// When the version was last found to be the one.
    pub(crate) seen_at_unix_s: u64,
    /// By which an archive's server tells whether it has changed.
    #[serde(default)]
    pub(crate) etag: Option<String>,
    #[serde(default)]
    pub(crate) last_modified: Option<String>,
}

impl Note {
    pub(crate) fn now(version: String) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { version, seen_at_unix_s: now.as_secs(), etag: None, last_modified: None }
    }
}

impl Shelf {
    pub(crate) fn open(&self) -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)
    }

    /// The note on `what`: a URL with its ref.
    pub(crate) fn note(&self, what: &str) -> Option<Note> {
        // One that can't be read is as good as none: it is written anew.
        serde_json::from_slice(&fs::read(self.note_path(what)).ok()?).ok()
    }

    pub(crate) fn write_note(&self, what: &str, note: &Note) -> Result<(), Platform> {
        let path = self.note_path(what);
        let text = serde_json::to_vec(note).map_err(|error| io_error("write", &path, error.into()))?;
        let unnamed = self.unfinished()?;
        fs::write(unnamed.path(), text).map_err(|source| io_error("write", unnamed.path(), source))?;
        unnamed.persist(&path).map_err(|failed| io_error("name", &path, failed.error))?;
        Ok(())
    }

    pub(crate) fn forget(&self, what: &str, url: &str) -> Result<(), Platform> {
        let file = self.note(what).map(|note| self.path(url, &note.version));
        for path in file.into_iter().chain([self.note_path(what)]) {
            match fs::remove_file(&path) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    return Err(io_error("delete", &path, source));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The file of that version, marked as used just now. The URL is part of its
    /// name: what one host gave is never taken for what another has, and what
    /// was had with a password is not had without.
    pub(crate) fn find(&self, url: &str, version: &str) -> Option<PathBuf> {
        let path = self.path(url, version);
        let file = File::options().write(true).open(&path).ok()?;
        if let Err(error) = file.set_modified(SystemTime::now()) {
            tracing::warn!(%error, path = %path.display(), "Could not mark a buildpack as used");
        }
        Some(path)
    }

    /// To be filled and given to [`Shelf::put`].
    pub(crate) fn unfinished(&self) -> Result<NamedTempFile, Platform> {
        let made = tempfile::Builder::new().prefix(".").tempfile_in(&self.folder);
        made.map_err(|source| io_error("write to", &self.folder, source))
    }

    pub(crate) fn put(&self, url: &str, version: &str, unfinished: NamedTempFile) -> Result<PathBuf, Platform> {
        let path = self.path(url, version);
        let from = unfinished.path().to_owned();
        let file = unfinished.as_file();
        // The build dyno reads it, by a user of its own.
        file.set_permissions(fs::Permissions::from_mode(0o644)).map_err(|source| io_error("open up", &from, source))?;
        file.sync_all().map_err(|source| io_error("sync", &from, source))?;
        unfinished.persist(&path).map_err(|failed| io_error("name", &path, failed.error))?;
        self.make_room(&path)?;
        Ok(path)
    }

    /// Deletes what was used longest ago until the rest fits; never `kept`.
    fn make_room(&self, kept: &Path) -> Result<(), Platform> {
        let failed = |source| io_error("list", &self.folder, source);
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            // Another fetch may have taken it away.
            let Ok(metadata) = entry.metadata() else { continue };
            let used = metadata.modified().unwrap_or(UNIX_EPOCH);
            let is_unfinished = entry.file_name().to_string_lossy().starts_with('.');
            let is_fresh = used.elapsed().unwrap_or_default() < LEFT_OVER;
            if is_unfinished && is_fresh {
                continue;
            }
            files.push((if is_unfinished { UNIX_EPOCH } else { used }, metadata.len(), entry.path()));
        }
        files.sort();
        let mut size_bytes: u64 = files.iter().map(|(_, size_bytes, _)| size_bytes).sum();
        for (used, file_bytes, path) in files {
            let is_left_over = used == UNIX_EPOCH;
            if path == kept || (size_bytes <= self.limit_bytes && !is_left_over) {
                continue;
            }
            match fs::remove_file(&path) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    return Err(io_error("delete", &path, source));
                }
                _ => size_bytes = size_bytes.saturating_sub(file_bytes),
            }
        }
        Ok(())
    }

    fn note_path(&self, what: &str) -> PathBuf {
        self.folder.join(key(what)).with_extension(NOTE)
    }

    fn path(&self, url: &str, version: &str) -> PathBuf {
        self.folder.join(key(&format!("{url}\n{version}")))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn shelf(limit_bytes: u64) -> (tempfile::TempDir, Shelf) {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf { folder: folder.path().join("shelf"), limit_bytes };
        shelf.open().unwrap();
        (folder, shelf)
    }

    fn put(shelf: &Shelf, url: &str, content: &[u8]) -> PathBuf {
        let mut unfinished = shelf.unfinished().unwrap();
        unfinished.write_all(content).unwrap();
        shelf.put(url, "v1", unfinished).unwrap()
    }

    fn used(path: &Path, seconds_ago: u64) {
        let at = SystemTime::now() - Duration::from_secs(seconds_ago);
        File::options().write(true).open(path).unwrap().set_modified(at).unwrap();
    }

    #[test]
    fn what_was_used_longest_ago_makes_room() {
        let (_folder, shelf) = shelf(25);
        let one = put(&shelf, "one", &[1; 10]);
        let two = put(&shelf, "two", &[2; 10]);
        used(&one, 100);
        used(&two, 50);
        assert_eq!(shelf.find("one", "v1"), Some(one.clone()));
        let three = put(&shelf, "three", &[3; 10]);
        assert!(one.exists() && !two.exists() && three.exists());
        let huge = put(&shelf, "huge", &[4; 100]);
        assert!(huge.exists() && !one.exists() && !three.exists(), "the build that fetched it is to have it");
    }

    #[test]
    fn versions_belong_to_their_url_and_notes_can_be_forgotten() {
        let (_folder, shelf) = shelf(1000);
        put(&shelf, "https://a/x", b"x");
        assert_eq!(shelf.find("https://b/x", "v1"), None);
        let note = Note { etag: Some("\"1\"".to_owned()), ..Note::now("v1".to_owned()) };
        shelf.write_note("https://a/x#main", &note).unwrap();
        assert_eq!(shelf.note("https://a/x#main"), Some(note));
        shelf.forget("https://a/x#main", "https://a/x").unwrap();
        assert_eq!((shelf.note("https://a/x#main"), shelf.find("https://a/x", "v1")), (None, None));
        shelf.forget("https://a/x#main", "https://a/x").unwrap();
    }

    #[test]
    fn what_a_crash_cut_off_is_swept_and_what_is_being_fetched_is_not() {
        let (_folder, shelf) = shelf(1000);
        let (fresh, old) = (shelf.unfinished().unwrap(), shelf.unfinished().unwrap());
        used(old.path(), 2 * LEFT_OVER.as_secs());
        put(&shelf, "x", b"x");
        assert!(fresh.path().exists() && !old.path().exists());
    }
}
