//! The blob store in a folder: `sha256/<64 hex>`.
//!
//! A blob is written under another name, synced and renamed, so a name always
//! stands for whole content, also after a crash.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use domain::Digest;
use ring::digest::{Context, SHA256};
use tempfile::NamedTempFile;

use crate::hold::Held;

/// A blob that is in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blob {
    pub digest: Digest,
    pub size_bytes: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    #[error("there is no blob {0}")]
    Absent(Digest),
    #[error("the content has the digest {found}, not {wanted}")]
    Mismatch { wanted: Digest, found: Digest },
    #[error("the blob is larger than the limit of {limit_bytes} bytes")]
    TooLarge { limit_bytes: u64 },
    #[error("could not {doing} `{}`", path.display())]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
}

/// A folder of blobs, to be read; what writes is a [`crate::Hold`], what
/// deletes a [`crate::Sweep`]. Cheap to clone. One process opens the folder,
/// once: clones know of each other's holds.
#[derive(Debug, Clone)]
pub struct BlobStore {
    folder: PathBuf,
    pub(crate) held: Arc<Held>,
}

impl BlobStore {
    /// Opens the store in `folder` (`<data dir>/blobs`), making it if absent.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, BlobError> {
        let store = Self { folder: folder.into(), held: Arc::default() };
        for sub in [store.named(), store.unnamed()] {
            fs::create_dir_all(&sub).map_err(|source| io_error("make", &sub, source))?;
        }
        Ok(store)
    }

    /// The file of a blob, whether it is there or not.
    pub fn path(&self, digest: Digest) -> PathBuf {
        self.named().join(digest.hex())
    }

    pub fn exists(&self, digest: Digest) -> bool {
        self.path(digest).is_file()
    }

    pub fn size(&self, digest: Digest) -> Result<u64, BlobError> {
        Ok(self.open_blob(digest)?.1)
    }

    /// The blob's content, and its size in bytes.
    pub fn open_blob(&self, digest: Digest) -> Result<(File, u64), BlobError> {
        let path = self.path(digest);
        let absent_or = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => BlobError::Absent(digest),
            _ => io_error("open", &path, source),
        };
        let file = File::open(&path).map_err(absent_or)?;
        let size_bytes = file.metadata().map_err(absent_or)?.len();
        Ok((file, size_bytes))
    }

    /// A whole blob of at most `limit_bytes`: for manifests and the like.
    pub fn read(&self, digest: Digest, limit_bytes: u64) -> Result<Vec<u8>, BlobError> {
        let (file, size_bytes) = self.open_blob(digest)?;
        if size_bytes > limit_bytes {
            return Err(BlobError::TooLarge { limit_bytes });
        }
        let mut content = Vec::new();
        file.take(limit_bytes)
            .read_to_end(&mut content)
            .map_err(|source| io_error("read", &self.path(digest), source))?;
        Ok(content)
    }

    /// Content as a file that has no name yet.
    pub(crate) fn receive(&self, content: impl Read, limit_bytes: u64) -> Result<(NamedTempFile, Blob), BlobError> {
        let mut unnamed = self.unfinished()?;
        let (digest, size_bytes) = copy_hashed(content, unnamed.as_file_mut(), limit_bytes)
            .map_err(|source| io_error("write", unnamed.path(), source))?
            .ok_or(BlobError::TooLarge { limit_bytes })?;
        Ok((unnamed, Blob { digest, size_bytes }))
    }

    /// A file in the store's folder for a program to write to; hand it to
    /// [`crate::Hold::adopt`] when it is whole, or drop it.
    pub fn unfinished(&self) -> Result<NamedTempFile, BlobError> {
        NamedTempFile::new_in(self.unnamed()).map_err(|source| io_error("write to", &self.unnamed(), source))
    }

    /// What a file from [`BlobStore::unfinished`] holds.
    pub(crate) fn measure(&self, unfinished: &NamedTempFile) -> Result<Blob, BlobError> {
        // A program may have replaced the file under its name, so it is opened anew.
        let path = unfinished.path();
        let content = File::open(path).map_err(|source| io_error("open", path, source))?;
        let (digest, size_bytes) = copy_hashed(content, &mut io::sink(), u64::MAX)
            .map_err(|source| io_error("read", path, source))?
            .ok_or(BlobError::TooLarge { limit_bytes: u64::MAX })?;
        Ok(Blob { digest, size_bytes })
    }

    /// Every blob, in no order.
    pub fn list(&self) -> Result<Vec<Blob>, BlobError> {
        let mut blobs = Vec::new();
        for entry in fs::read_dir(self.named()).map_err(|source| io_error("list", &self.named(), source))? {
            let entry = entry.map_err(|source| io_error("list", &self.named(), source))?;
            let digest = entry.file_name().to_str().and_then(|hex| format!("sha256:{hex}").parse::<Digest>().ok());
            let Some(digest) = digest else { continue };
            let metadata = entry.metadata().map_err(|source| io_error("look at", &entry.path(), source))?;
            blobs.push(Blob { digest, size_bytes: metadata.len() });
        }
        Ok(blobs)
    }

    pub(crate) fn name(&self, unnamed: NamedTempFile, blob: Blob) -> Result<Blob, BlobError> {
        let path = self.path(blob.digest);
        if path.is_file() {
            return Ok(blob);
        }
        let from = unnamed.path().to_owned();
        let written = File::open(&from).map_err(|source| io_error("open", &from, source))?;
        written.sync_all().map_err(|source| io_error("sync", &from, source))?;
        let readable = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        written.set_permissions(readable).map_err(|source| io_error("set the mode of", &from, source))?;
        unnamed.persist(&path).map_err(|failed| io_error("name", &path, failed.error))?;
        let folder = File::open(self.named()).map_err(|source| io_error("open", &self.named(), source))?;
        folder.sync_all().map_err(|source| io_error("sync", &self.named(), source))?;
        Ok(blob)
    }

    /// Files that writers left unfinished and did not touch since `moment`.
    pub fn left_unfinished(&self, moment: SystemTime) -> Result<Vec<PathBuf>, BlobError> {
        let folder = self.unnamed();
        let mut left = Vec::new();
        for entry in fs::read_dir(&folder).map_err(|source| io_error("list", &folder, source))? {
            let entry = entry.map_err(|source| io_error("list", &folder, source))?;
            let touched = entry.metadata().and_then(|file| file.modified());
            if touched.is_ok_and(|touched| touched < moment) {
                left.push(entry.path());
            }
        }
        Ok(left)
    }

    fn named(&self) -> PathBuf {
        self.folder.join("sha256")
    }

    fn unnamed(&self) -> PathBuf {
        self.folder.join("unfinished")
    }
}

/// `None` if there is more than the limit.
fn copy_hashed(mut from: impl Read, to: &mut impl Write, limit_bytes: u64) -> io::Result<Option<(Digest, u64)>> {
    let mut hash = Context::new(&SHA256);
    let mut buffer = vec![0; 256 * 1024];
    let mut size_bytes = 0_u64;
    loop {
        let read = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        size_bytes += read as u64;
        if size_bytes > limit_bytes {
            return Ok(None);
        }
        hash.update(&buffer[..read]);
        to.write_all(&buffer[..read])?;
    }
    Ok(Some((finish(hash), size_bytes)))
}

pub(crate) fn finish(hash: Context) -> Digest {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(hash.finish().as_ref());
    Digest::from_sha256(bytes)
}

pub(crate) fn io_error(doing: &'static str, path: &Path, source: io::Error) -> BlobError {
    BlobError::Io { doing, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn store() -> (tempfile::TempDir, BlobStore) {
        let folder = tempfile::tempdir().unwrap();
        let store = BlobStore::open(folder.path().join("blobs")).unwrap();
        (folder, store)
    }

    #[test]
    fn a_blob_is_named_by_its_content_and_stored_once() {
        let (_folder, store) = store();
        let blob = store.hold().put_bytes(b"").unwrap();
        assert_eq!(blob.digest.to_string(), EMPTY);
        assert_eq!(store.hold().put_bytes(b"").unwrap(), blob);
        assert_eq!(store.list().unwrap(), [blob]);
        assert_eq!(fs::read_dir(store.unnamed()).unwrap().count(), 0);
    }

    #[test]
    fn too_much_or_other_content_leaves_nothing_behind() {
        let (_folder, store) = store();
        assert!(matches!(store.hold().put(&b"12345"[..], 4), Err(BlobError::TooLarge { limit_bytes: 4 })));
        let wanted = EMPTY.parse().unwrap();
        assert!(matches!(store.hold().put_expected(&b"1"[..], wanted, 9), Err(BlobError::Mismatch { .. })));
        assert!(store.list().unwrap().is_empty());
        assert_eq!(fs::read_dir(store.unnamed()).unwrap().count(), 0);
    }

    #[test]
    fn a_file_written_by_a_program_is_adopted_even_if_it_was_replaced() {
        let (_folder, store) = store();
        let unfinished = store.unfinished().unwrap();
        fs::remove_file(unfinished.path()).unwrap();
        fs::write(unfinished.path(), "new").unwrap();
        let blob = store.hold().adopt(unfinished).unwrap();
        assert_eq!(store.read(blob.digest, 10).unwrap(), b"new");
        assert!(matches!(store.read(blob.digest, 2), Err(BlobError::TooLarge { .. })));
    }

    #[test]
    fn a_blob_that_is_read_has_its_content_and_a_limit() {
        let (folder, store) = store();
        let blob = store.hold().put_bytes(b"kept").unwrap();
        let again = BlobStore::open(folder.path().join("blobs")).unwrap();
        assert_eq!(again.read(blob.digest, 4).unwrap(), b"kept");
        assert!(matches!(again.read(blob.digest, 3), Err(BlobError::TooLarge { limit_bytes: 3 })));
    }

    #[test]
    fn only_what_nobody_wrote_to_for_long_is_left_unfinished() {
        let (_folder, store) = store();
        let unfinished = store.unfinished().unwrap();
        let hour = std::time::Duration::from_secs(3600);
        assert!(store.left_unfinished(SystemTime::now() - hour).unwrap().is_empty());
        assert_eq!(store.left_unfinished(SystemTime::now() + hour).unwrap(), [unfinished.path()]);
    }
}
