//! The fingerprint of a folder's content: equal content, equal fingerprint.
//!
//! It covers names, kinds, permissions, link targets and bytes, but no times
//! and no owners. By it a folder is known to be packed already. Reading and
//! hashing runs at the speed of SHA-256, several times faster than packing.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use domain::Digest;
use ring::digest::{Context, SHA256};

use crate::blobs::finish;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint {
    pub digest: Digest,
    /// All files together, uncompressed. Holes count as what they pretend to be.
    pub size_bytes: u64,
    pub entries: u64,
}

/// How much of a folder is read before giving up: strangers fill it.
#[derive(Debug, Clone, Copy)]
pub struct TreeLimit {
    pub size_bytes: u64,
    pub entries: u64,
}

/// Asked again and again while reading: once it says true the reading is given up.
pub type Stop<'a> = &'a (dyn Fn() -> bool + Sync);

#[derive(Debug, thiserror::Error)]
pub enum FingerprintError {
    #[error("the folder holds more than {} bytes or {} entries", .0.size_bytes, .0.entries)]
    TooLarge(TreeLimit),
    #[error("the reading was stopped")]
    Stopped,
    #[error("could not read `{}`", path.display())]
    Io { path: PathBuf, source: io::Error },
}

/// Of what lies in `folder`; the folder's own permissions count, its name and
/// place do not. Symbolic links are never followed, special files never opened.
pub fn fingerprint(folder: &Path, limit: TreeLimit, stop: Stop<'_>) -> Result<Fingerprint, FingerprintError> {
    let mut walk =
        Walk { limit, stop, hash: Context::new(&SHA256), size_bytes: 0, entries: 0, buffer: vec![0; 256 * 1024] };
    walk.hash.update(b"renga tree 1\n");
    // Folders still to read, with their path inside `folder`. Not recursion:
    // strangers may nest folders deeper than a stack is tall.
    let mut folders = vec![(folder.to_owned(), PathBuf::new())];
    walk.note(b'd', Path::new(""), mode_of(folder)?);
    while let Some((path, inside)) = folders.pop() {
        let mut names = Vec::new();
        for entry in fs::read_dir(&path).map_err(|source| io_error(&path, source))? {
            names.push(entry.map_err(|source| io_error(&path, source))?.file_name());
            walk.count(0)?;
        }
        names.sort();
        for name in names {
            let (path, inside) = (path.join(&name), inside.join(&name));
            if walk.entry(&path, &inside)? {
                folders.push((path, inside));
            }
        }
    }
    Ok(Fingerprint { digest: finish(walk.hash), size_bytes: walk.size_bytes, entries: walk.entries })
}

struct Walk<'a> {
    limit: TreeLimit,
    stop: Stop<'a>,
    hash: Context,
    size_bytes: u64,
    entries: u64,
    buffer: Vec<u8>,
}

impl Walk<'_> {
    /// Whether it is a folder.
    fn entry(&mut self, path: &Path, inside: &Path) -> Result<bool, FingerprintError> {
        self.go_on()?;
        let metadata = fs::symlink_metadata(path).map_err(|source| io_error(path, source))?;
        let (kind, mode) = (metadata.file_type(), metadata.mode() & 0o7777);
        if kind.is_dir() {
            self.note(b'd', inside, mode);
        } else if kind.is_symlink() {
            self.note(b'l', inside, 0);
            let target = fs::read_link(path).map_err(|source| io_error(path, source))?;
            self.text(target.as_os_str().as_bytes());
        } else if kind.is_file() {
            self.note(b'f', inside, mode);
            self.count(metadata.len())?;
            self.content(path, metadata.len())?;
        } else {
            self.note(if kind.is_fifo() { b'p' } else { b'o' }, inside, mode);
            self.hash.update(&metadata.rdev().to_le_bytes());
        }
        Ok(kind.is_dir())
    }

    fn go_on(&self) -> Result<(), FingerprintError> {
        if (self.stop)() { Err(FingerprintError::Stopped) } else { Ok(()) }
    }

    fn note(&mut self, kind: u8, inside: &Path, mode: u32) {
        self.hash.update(&[kind]);
        self.hash.update(&mode.to_le_bytes());
        self.text(inside.as_os_str().as_bytes());
    }

    /// Its length goes first, so that no two sequences of texts look alike.
    fn text(&mut self, text: &[u8]) {
        self.hash.update(&(text.len() as u64).to_le_bytes());
        self.hash.update(text);
    }

    fn count(&mut self, size_bytes: u64) -> Result<(), FingerprintError> {
        if size_bytes == 0 {
            self.entries += 1;
        }
        self.size_bytes = self.size_bytes.saturating_add(size_bytes);
        let fits = self.size_bytes <= self.limit.size_bytes && self.entries <= self.limit.entries;
        if fits { Ok(()) } else { Err(FingerprintError::TooLarge(self.limit)) }
    }

    fn content(&mut self, path: &Path, size_bytes: u64) -> Result<(), FingerprintError> {
        self.hash.update(&size_bytes.to_le_bytes());
        let file =
            File::options().read(true).custom_flags(nofollow()).open(path).map_err(|source| io_error(path, source))?;
        let mut rest = file.take(size_bytes);
        loop {
            let read = rest.read(&mut self.buffer).map_err(|source| io_error(path, source))?;
            if read == 0 {
                return Ok(());
            }
            self.hash.update(&self.buffer[..read]);
            self.go_on()?;
        }
    }
}

/// `O_NOFOLLOW` (Linux): what was a file when looked at is opened as a file.
const fn nofollow() -> i32 {
    if cfg!(any(target_arch = "aarch64", target_arch = "arm")) { 0o100_000 } else { 0o400_000 }
}

fn mode_of(path: &Path) -> Result<u32, FingerprintError> {
    let metadata = fs::symlink_metadata(path).map_err(|source| io_error(path, source))?;
    Ok(metadata.mode() & 0o7777)
}

fn io_error(path: &Path, source: io::Error) -> FingerprintError {
    FingerprintError::Io { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    const ROOMY: TreeLimit = TreeLimit { size_bytes: 1 << 20, entries: 1000 };
    const GO_ON: Stop<'_> = &|| false;

    fn tree() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("sub")).unwrap();
        fs::write(folder.path().join("sub/file"), "content").unwrap();
        symlink("sub/file", folder.path().join("link")).unwrap();
        folder
    }

    fn of(folder: &tempfile::TempDir) -> Digest {
        fingerprint(folder.path(), ROOMY, GO_ON).unwrap().digest
    }

    #[test]
    fn place_and_times_do_not_count() {
        let (one, other) = (tree(), tree());
        let past = fs::FileTimes::new().set_modified(std::time::UNIX_EPOCH);
        File::options().write(true).open(other.path().join("sub/file")).unwrap().set_times(past).unwrap();
        assert_eq!(of(&one), of(&other));
        let all = fingerprint(one.path(), ROOMY, GO_ON).unwrap();
        assert_eq!((all.size_bytes, all.entries), (7, 3));
    }

    #[test]
    fn every_change_of_content_counts() {
        type Change = fn(&Path);
        let changes: [Change; 6] = [
            |at| fs::write(at.join("sub/file"), "c0ntent").unwrap(),
            |at| fs::write(at.join("sub/more"), "").unwrap(),
            |at| fs::rename(at.join("sub/file"), at.join("file")).unwrap(),
            |at| fs::set_permissions(at.join("sub/file"), fs::Permissions::from_mode(0o755)).unwrap(),
            |at| fs::set_permissions(at.join("sub"), fs::Permissions::from_mode(0o700)).unwrap(),
            |at| {
                fs::remove_file(at.join("link")).unwrap();
                symlink("sub", at.join("link")).unwrap();
            },
        ];
        let before = of(&tree());
        for (index, change) in changes.iter().enumerate() {
            let changed = tree();
            change(changed.path());
            assert_ne!(of(&changed), before, "change {index}");
        }
    }

    #[test]
    fn a_folder_that_pretends_to_be_huge_is_refused_unread() {
        let folder = tree();
        File::create(folder.path().join("hole")).unwrap().set_len(1 << 40).unwrap();
        assert!(matches!(fingerprint(folder.path(), ROOMY, GO_ON), Err(FingerprintError::TooLarge(_))));
        let few = TreeLimit { entries: 1, ..ROOMY };
        assert!(matches!(fingerprint(tree().path(), few, GO_ON), Err(FingerprintError::TooLarge(_))));
    }

    #[test]
    fn a_reading_is_stopped_on_request() {
        let stopped = fingerprint(tree().path(), ROOMY, &|| true);
        assert!(matches!(stopped, Err(FingerprintError::Stopped)));
    }

    #[test]
    fn a_link_out_of_the_folder_is_not_followed_and_deep_nesting_is_fine() {
        let folder = tree();
        symlink("/", folder.path().join("root")).unwrap();
        let mut deep = folder.path().to_owned();
        for _ in 0..300 {
            deep.push("d");
        }
        fs::create_dir_all(&deep).unwrap();
        assert_eq!(fingerprint(folder.path(), ROOMY, GO_ON).unwrap().entries, 304);
    }
}
