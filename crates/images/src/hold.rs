//! Holds: what keeps blobs that nothing refers to yet from being swept.
//!
//! Between the moment when a writer finds or makes a blob and the moment when
//! a row refers to it, a sweep that read the rows before would take it for
//! garbage. So whoever writes does it through a [`Hold`], and keeps that until
//! his row is written; a [`Sweep`] leaves alone all that was held at any time
//! since it began. Neither waits for the other: the one lock that they share
//! is taken for a look at a map, or for the unlinking of one file.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::{self, Read};
use std::ops::Deref;
use std::sync::{Mutex, MutexGuard, PoisonError};

use domain::Digest;
use tempfile::NamedTempFile;

use crate::blobs::{Blob, BlobError, BlobStore, io_error};

/// Who holds what, in all clones of one store.
#[derive(Debug, Default)]
pub(crate) struct Held(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// How many holds have the blob.
    now: HashMap<Digest, usize>,
    /// While a sweep goes on: what was held at any time since it began.
    since_sweep: Option<HashSet<Digest>>,
}

impl Held {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to write blobs. All that is written or found through it stays
/// until it is dropped: drop it when what refers to the blobs is written.
#[derive(Debug)]
pub struct Hold {
    store: BlobStore,
    taken: Mutex<HashSet<Digest>>,
}

/// The store, for reading.
impl Deref for Hold {
    type Target = BlobStore;

    fn deref(&self) -> &BlobStore {
        &self.store
    }
}

impl Hold {
    /// Takes all that `content` gives, up to `limit_bytes`.
    pub fn put(&self, content: impl Read, limit_bytes: u64) -> Result<Blob, BlobError> {
        let (unnamed, blob) = self.store.receive(content, limit_bytes)?;
        self.name(unnamed, blob)
    }

    /// The same for content that is at hand.
    pub fn put_bytes(&self, content: &[u8]) -> Result<Blob, BlobError> {
        self.put(content, u64::MAX)
    }

    /// Takes what should have the digest `wanted`; anything else is refused.
    pub fn put_expected(&self, content: impl Read, wanted: Digest, limit_bytes: u64) -> Result<Blob, BlobError> {
        let (unnamed, blob) = self.store.receive(content, limit_bytes)?;
        if blob.digest != wanted {
            return Err(BlobError::Mismatch { wanted, found: blob.digest });
        }
        self.name(unnamed, blob)
    }

    /// Makes a blob of a file from [`BlobStore::unfinished`].
    pub fn adopt(&self, unfinished: NamedTempFile) -> Result<Blob, BlobError> {
        let blob = self.store.measure(&unfinished)?;
        self.name(unfinished, blob)
    }

    /// A blob that is there already, to be referred to anew.
    pub fn find(&self, digest: Digest) -> Result<Blob, BlobError> {
        self.take(digest);
        Ok(Blob { digest, size_bytes: self.store.size(digest)? })
    }

    /// Held first, looked for then: a sweep that comes in between leaves it.
    fn name(&self, unnamed: NamedTempFile, blob: Blob) -> Result<Blob, BlobError> {
        self.take(blob.digest);
        self.store.name(unnamed, blob)
    }

    fn take(&self, digest: Digest) {
        let mut state = self.store.held.state();
        if let Some(since) = &mut state.since_sweep {
            since.insert(digest);
        }
        if self.taken.lock().unwrap_or_else(PoisonError::into_inner).insert(digest) {
            *state.now.entry(digest).or_default() += 1;
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut state = self.store.held.state();
        for digest in self.taken.get_mut().unwrap_or_else(PoisonError::into_inner).drain() {
            if let Some(count) = state.now.get_mut(&digest) {
                *count -= 1;
                if *count == 0 {
                    state.now.remove(&digest);
                }
            }
        }
    }
}

/// The right to delete blobs; there is one at a time.
///
/// Begin it *before* reading what refers to blobs. What it is then asked to
/// delete was referred to by nothing at that reading; and what came to be
/// referred to since has been held since, and is left alone.
#[derive(Debug)]
pub struct Sweep {
    store: BlobStore,
}

impl Sweep {
    /// Deletes a blob unless it is, or was since the beginning, held by
    /// someone; `false` if so, or if there was none. Who has it open or
    /// mounted keeps it until he lets go.
    pub fn delete(&self, digest: Digest) -> Result<bool, BlobError> {
        let state = self.store.held.state();
        if state.since_sweep.as_ref().is_none_or(|since| since.contains(&digest)) {
            return Ok(false);
        }
        let path = self.store.path(digest);
        match fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(source) => Err(io_error("delete", &path, source)),
        }
    }
}

impl Drop for Sweep {
    fn drop(&mut self) {
        self.store.held.state().since_sweep = None;
    }
}

impl BlobStore {
    /// The right to write; see [`Hold`].
    pub fn hold(&self) -> Hold {
        Hold { store: self.clone(), taken: Mutex::default() }
    }

    /// The right to delete; `None` while another has it. See [`Sweep`].
    pub fn sweep(&self) -> Option<Sweep> {
        let mut state = self.held.state();
        if state.since_sweep.is_some() {
            return None;
        }
        state.since_sweep = Some(state.now.keys().copied().collect());
        drop(state);
        Some(Sweep { store: self.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, BlobStore) {
        let folder = tempfile::tempdir().unwrap();
        let store = BlobStore::open(folder.path().join("blobs")).unwrap();
        (folder, store)
    }

    #[test]
    fn what_nobody_holds_is_swept_and_then_absent() {
        let (_folder, store) = store();
        let blob = store.hold().put_bytes(b"x").unwrap();
        let sweep = store.sweep().unwrap();
        assert!(sweep.delete(blob.digest).unwrap());
        assert!(!sweep.delete(blob.digest).unwrap());
        assert!(!store.exists(blob.digest));
        assert!(matches!(store.open_blob(blob.digest), Err(BlobError::Absent(_))));
    }

    #[test]
    fn what_was_written_before_the_sweep_and_is_held_stays() {
        let (_folder, store) = store();
        let (one, two) = (store.hold(), store.hold());
        let blob = one.put_bytes(b"x").unwrap();
        assert_eq!(two.put_bytes(b"x").unwrap(), blob);
        drop(one);
        let sweep = store.sweep().unwrap();
        drop(two);
        assert!(!sweep.delete(blob.digest).unwrap(), "its row may have been written since");
        drop(sweep);
        assert!(store.sweep().unwrap().delete(blob.digest).unwrap());
    }

    #[test]
    fn what_is_found_again_during_a_sweep_stays_and_what_was_swept_is_not_found() {
        let (_folder, store) = store();
        let [old, older] = [b"old", b"odd"].map(|content| store.hold().put_bytes(content).unwrap());
        let sweep = store.sweep().unwrap();
        assert!(sweep.delete(older.digest).unwrap());
        let hold = store.hold();
        assert_eq!(hold.find(old.digest).unwrap(), old);
        assert!(matches!(hold.find(older.digest), Err(BlobError::Absent(_))));
        assert_eq!(hold.put_bytes(b"odd").unwrap(), older, "it is written anew");
        drop(hold);
        for blob in [old, older] {
            assert!(!sweep.delete(blob.digest).unwrap());
            assert!(store.exists(blob.digest));
        }
    }

    #[test]
    fn there_is_one_sweep_at_a_time_over_all_clones() {
        let (_folder, store) = store();
        let sweep = store.clone().sweep().unwrap();
        assert!(store.sweep().is_none());
        drop(sweep);
        assert!(store.sweep().is_some());
    }
}
