//! The blob store in a folder: `sha256/<64 hex>`.
//!
//! A blob is written under another name, synced and renamed, so a name always
//! stands for whole content, also after a crash.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use domain::Digest;
use ring::digest::{Context, SHA256};
use tempfile::NamedTempFile;

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

/// A folder of blobs. Cheap to clone; several processes may share the folder.
#[derive(Debug, Clone)]
pub struct BlobStore {
    folder: PathBuf,
}

impl BlobStore {
    /// Opens the store in `folder` (`<data dir>/blobs`), making it if absent,
    /// and sweeps what an interrupted writer left there.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, BlobError> {
        let store = Self { folder: folder.into() };
        for sub in [store.named(), store.unnamed()] {
            fs::create_dir_all(&sub).map_err(|source| io_error("make", &sub, source))?;
        }
        store.sweep_unfinished()?;
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

    /// Takes all that `content` gives, up to `limit_bytes`.
    pub fn put(&self, content: impl Read, limit_bytes: u64) -> Result<Blob, BlobError> {
        let mut unnamed = self.unfinished()?;
        let (digest, size_bytes) = copy_hashed(content, unnamed.as_file_mut(), limit_bytes)
            .map_err(|source| io_error("write", unnamed.path(), source))?
            .ok_or(BlobError::TooLarge { limit_bytes })?;
        self.name(unnamed, Blob { digest, size_bytes })
    }

    /// The same for content that is at hand.
    pub fn put_bytes(&self, content: &[u8]) -> Result<Blob, BlobError> {
        self.put(content, u64::MAX)
    }

    /// Takes what should have the digest `wanted`; anything else is refused.
    pub fn put_expected(&self, content: impl Read, wanted: Digest, limit_bytes: u64) -> Result<Blob, BlobError> {
        let mut unnamed = self.unfinished()?;
        let (found, size_bytes) = copy_hashed(content, unnamed.as_file_mut(), limit_bytes)
            .map_err(|source| io_error("write", unnamed.path(), source))?
            .ok_or(BlobError::TooLarge { limit_bytes })?;
        if found != wanted {
            return Err(BlobError::Mismatch { wanted, found });
        }
        self.name(unnamed, Blob { digest: found, size_bytes })
    }

    /// A file in the store's folder for a program to write to; hand it to
    /// [`BlobStore::adopt`] when it is whole, or drop it.
    pub fn unfinished(&self) -> Result<NamedTempFile, BlobError> {
        NamedTempFile::new_in(self.unnamed()).map_err(|source| io_error("write to", &self.unnamed(), source))
    }

    /// Makes a blob of a file from [`BlobStore::unfinished`].
    pub fn adopt(&self, unfinished: NamedTempFile) -> Result<Blob, BlobError> {
        // A program may have replaced the file under its name, so it is opened anew.
        let path = unfinished.path().to_owned();
        let content = File::open(&path).map_err(|source| io_error("open", &path, source))?;
        let (digest, size_bytes) = copy_hashed(content, &mut io::sink(), u64::MAX)
            .map_err(|source| io_error("read", &path, source))?
            .ok_or(BlobError::TooLarge { limit_bytes: u64::MAX })?;
        self.name(unfinished, Blob { digest, size_bytes })
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

    /// Deletes a blob; `false` if there was none. Who has it open or mounted
    /// keeps it until he lets go.
    pub fn delete(&self, digest: Digest) -> Result<bool, BlobError> {
        match fs::remove_file(self.path(digest)) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(source) => Err(io_error("delete", &self.path(digest), source)),
        }
    }

    fn name(&self, unnamed: NamedTempFile, blob: Blob) -> Result<Blob, BlobError> {
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

    /// Another process may be writing; only what is old is left over.
    fn sweep_unfinished(&self) -> Result<(), BlobError> {
        const LEFT_OVER_AFTER: std::time::Duration = std::time::Duration::from_secs(24 * 3600);
        let folder = self.unnamed();
        for entry in fs::read_dir(&folder).map_err(|source| io_error("list", &folder, source))? {
            let entry = entry.map_err(|source| io_error("list", &folder, source))?;
            let age = entry.metadata().and_then(|file| file.modified()).map(|at| at.elapsed().unwrap_or_default());
            if age.is_ok_and(|age| age > LEFT_OVER_AFTER) {
                fs::remove_file(entry.path()).map_err(|source| io_error("delete", &entry.path(), source))?;
            }
        }
        Ok(())
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

fn io_error(doing: &'static str, path: &Path, source: io::Error) -> BlobError {
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
        let blob = store.put_bytes(b"").unwrap();
        assert_eq!(blob.digest.to_string(), EMPTY);
        assert_eq!(store.put_bytes(b"").unwrap(), blob);
        assert_eq!(store.list().unwrap(), [blob]);
        assert_eq!(fs::read_dir(store.unnamed()).unwrap().count(), 0);
    }

    #[test]
    fn a_deleted_blob_is_absent() {
        let (_folder, store) = store();
        let blob = store.put_bytes(b"x").unwrap();
        assert_eq!(store.read(blob.digest, 1).unwrap(), b"x");
        assert!(store.delete(blob.digest).unwrap());
        assert!(!store.delete(blob.digest).unwrap());
        assert!(!store.exists(blob.digest));
        assert!(matches!(store.open_blob(blob.digest), Err(BlobError::Absent(_))));
    }

    #[test]
    fn too_much_or_other_content_leaves_nothing_behind() {
        let (_folder, store) = store();
        assert!(matches!(store.put(&b"12345"[..], 4), Err(BlobError::TooLarge { limit_bytes: 4 })));
        let wanted = EMPTY.parse().unwrap();
        assert!(matches!(store.put_expected(&b"1"[..], wanted, 9), Err(BlobError::Mismatch { .. })));
        assert!(store.list().unwrap().is_empty());
        assert_eq!(fs::read_dir(store.unnamed()).unwrap().count(), 0);
    }

    #[test]
    fn a_file_written_by_a_program_is_adopted_even_if_it_was_replaced() {
        let (_folder, store) = store();
        let unfinished = store.unfinished().unwrap();
        fs::remove_file(unfinished.path()).unwrap();
        fs::write(unfinished.path(), "new").unwrap();
        let blob = store.adopt(unfinished).unwrap();
        assert_eq!(store.read(blob.digest, 10).unwrap(), b"new");
        assert!(matches!(store.read(blob.digest, 2), Err(BlobError::TooLarge { .. })));
    }

    #[test]
    fn opening_again_keeps_blobs_and_fresh_unfinished_files() {
        let (folder, store) = store();
        let blob = store.put_bytes(b"kept").unwrap();
        let unfinished = store.unfinished().unwrap();
        let again = BlobStore::open(folder.path().join("blobs")).unwrap();
        assert!(again.exists(blob.digest));
        assert!(unfinished.path().exists());
    }
}
