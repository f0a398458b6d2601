//! The keys that config vars are sealed with, in a file beside the database.
//!
//! One line per key, `<id> <64 hexadecimal digits>`, the newest last: it seals,
//! the others still open what they sealed. A key's id is the start of its
//! SHA-256, so a line that was damaged is noticed.

use std::fmt;
use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};

use crate::tokens::hex;

const FILE: &str = "config.keys";
const KEY_LEN: usize = 32;

/// The master keys. `Debug` shows their ids only.
pub struct MasterKeys {
    path: PathBuf,
    /// The newest last; never empty.
    keys: Vec<Arc<MasterKey>>,
    /// No longer in the file. Who read a row before it was sealed anew may
    /// still want to open it.
    retired: Vec<Arc<MasterKey>>,
}

struct MasterKey {
    id: String,
    bytes: [u8; KEY_LEN],
    sealing: LessSafeKey,
}

#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    #[error("could not read or write `{}`", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("line {line} of `{}` is not a key: restore the file from a backup", path.display())]
    Damaged { path: PathBuf, line: usize },
    #[error("`{}` holds no key: restore the file from a backup", path.display())]
    Empty { path: PathBuf },
    #[error(transparent)]
    Random(#[from] SealError),
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    #[error("the system gives no random bytes")]
    NoRandom,
    #[error("the text is too long to be sealed")]
    TooLong,
    #[error("config vars are sealed with the key `{0}`, which the key file lacks")]
    NoSuchKey(String),
    #[error("sealed config vars were changed, or belong to another release")]
    Forged,
}

impl MasterKeys {
    /// Reads the keys in `folder`, or makes folder (0700), file (0600) and a
    /// first key. The file is on the disk when this returns: what is sealed
    /// with a lost key is lost.
    pub fn open_or_create(folder: &Path) -> Result<Self, KeysError> {
        let path = folder.join(FILE);
        let failed = |source| KeysError::File { path: path.clone(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
        match fs::read_to_string(&path) {
            Ok(text) => {
                fs::set_permissions(&path, Permissions::from_mode(0o600)).map_err(failed)?;
                Self::parse(path, &text)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let first = vec![Arc::new(MasterKey::generate()?)];
                let keys = Self { path: path.clone(), keys: first, retired: Vec::new() };
                match keys.write(|new, path| fs::hard_link(new, path)) {
                    Ok(()) => Ok(keys),
                    // Someone else made it meanwhile.
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                        Self::parse(path.clone(), &fs::read_to_string(&path).map_err(failed)?)
                    }
                    Err(error) => Err(failed(error)),
                }
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// These and a new key, which seals. The file holds it when this returns.
    pub(crate) fn with_new(&self) -> Result<Self, KeysError> {
        let mut keys = self.keys.clone();
        keys.push(Arc::new(MasterKey::generate()?));
        Self { path: self.path.clone(), keys, retired: self.retired.clone() }.stored()
    }

    /// Without the older keys; nothing may be sealed with them any more. The
    /// file has lost them when this returns.
    pub(crate) fn only_newest(&self) -> Result<Self, KeysError> {
        let (older, newest) = self.keys.split_at(self.keys.len() - 1);
        let retired = self.retired.iter().chain(older).cloned().collect();
        Self { path: self.path.clone(), keys: newest.to_vec(), retired }.stored()
    }

    fn stored(self) -> Result<Self, KeysError> {
        let written = self.write(|new, path| fs::rename(new, path));
        written.map_err(|source| KeysError::File { path: self.path.clone(), source })?;
        Ok(self)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|key| key.id.as_str())
    }

    /// The id of the key that seals.
    pub(crate) fn newest(&self) -> &str {
        self.keys.last().map_or("", |key| &key.id)
    }

    /// Seals with the newest key: nonce, ciphertext, tag. `belongs_to` is not
    /// kept, but must be the same to open it.
    pub(crate) fn seal(&self, plain: &[u8], belongs_to: &[u8]) -> Result<Vec<u8>, SealError> {
        let key = self.keys.last().ok_or_else(|| SealError::NoSuchKey(String::new()))?;
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).map_err(|_| SealError::NoRandom)?;
        let mut sealed = plain.to_vec();
        key.sealing
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(belongs_to), &mut sealed)
            .map_err(|_| SealError::TooLong)?;
        Ok([&nonce[..], &sealed].concat())
    }

    pub(crate) fn open(&self, id: &str, sealed: &[u8], belongs_to: &[u8]) -> Result<Vec<u8>, SealError> {
        let key = self
            .keys
            .iter()
            .chain(&self.retired)
            .find(|key| key.id == id)
            .ok_or_else(|| SealError::NoSuchKey(id.to_owned()))?;
        let (nonce, ciphertext) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(SealError::Forged)?;
        let mut text = ciphertext.to_vec();
        let plain = key
            .sealing
            .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(belongs_to), &mut text)
            .map_err(|_| SealError::Forged)?;
        Ok(plain.to_vec())
    }

    fn parse(path: PathBuf, text: &str) -> Result<Self, KeysError> {
        let mut keys = Vec::new();
        for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let key =
                MasterKey::parse(line).ok_or_else(|| KeysError::Damaged { path: path.clone(), line: index + 1 })?;
            keys.push(Arc::new(key));
        }
        if keys.is_empty() { Err(KeysError::Empty { path }) } else { Ok(Self { path, keys, retired: Vec::new() }) }
    }

    /// Writes the file beside its place, then `put`s it there.
    fn write(&self, put: impl FnOnce(&Path, &Path) -> io::Result<()>) -> io::Result<()> {
        let new = self.path.with_extension(format!("new-{}", random_name()?));
        let written = self.write_to(&new).and_then(|()| put(&new, &self.path));
        // After a rename there is nothing to remove; after a link there is.
        match fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => written.and(Err(error)),
            _ => written,
        }?;
        self.path.parent().map_or(Ok(()), |folder| fs::File::open(folder)?.sync_all())
    }

    fn write_to(&self, path: &Path) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
        for key in &self.keys {
            writeln!(file, "{} {}", key.id, hex(&key.bytes))?;
        }
        file.sync_all()
    }
}

/// A name that no one else writes to at the same time.
fn random_name() -> io::Result<String> {
    let mut bytes = [0; 8];
    SystemRandom::new().fill(&mut bytes).map_err(|_| io::Error::other(SealError::NoRandom))?;
    Ok(hex(&bytes))
}

impl fmt::Debug for MasterKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.ids()).finish()
    }
}

impl MasterKey {
    fn generate() -> Result<Self, SealError> {
        let mut bytes = [0; KEY_LEN];
        SystemRandom::new().fill(&mut bytes).map_err(|_| SealError::NoRandom)?;
        Ok(Self::new(bytes))
    }

    fn new(bytes: [u8; KEY_LEN]) -> Self {
        let id = hex(&digest(&SHA256, &bytes).as_ref()[..8]);
        let unbound = UnboundKey::new(&AES_256_GCM, &bytes).expect("an AES-256 key has 32 bytes");
        Self { id, bytes, sealing: LessSafeKey::new(unbound) }
    }

    fn parse(line: &str) -> Option<Self> {
        let (id, digits) = line.trim().split_once(' ')?;
        if digits.len() != 2 * KEY_LEN || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        let mut bytes = [0; KEY_LEN];
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&digits[2 * index..2 * index + 2], 16).ok()?;
        }
        Some(Self::new(bytes)).filter(|key| key.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_keys_are_read_again_and_readable_by_their_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("keys");
        let keys = MasterKeys::open_or_create(&folder).unwrap();
        let sealed = keys.seal(b"hush", b"app").unwrap();
        let again = MasterKeys::open_or_create(&folder).unwrap();
        assert_eq!(again.open(keys.newest(), &sealed, b"app").unwrap(), b"hush");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&folder), mode(&folder.join(FILE))), (0o700, 0o600));
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "nothing else is left in the folder");
    }

    #[test]
    fn what_was_changed_or_belongs_elsewhere_does_not_open() {
        let dir = tempfile::tempdir().unwrap();
        let keys = MasterKeys::open_or_create(dir.path()).unwrap();
        let sealed = keys.seal(b"hush", b"app").unwrap();
        assert_eq!(keys.open(keys.newest(), &sealed, b"other"), Err(SealError::Forged));
        assert_eq!(keys.open(keys.newest(), &sealed[..5], b"app"), Err(SealError::Forged));
        assert_eq!(keys.open("0000", &sealed, b"app"), Err(SealError::NoSuchKey("0000".to_owned())));
        for index in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[index] ^= 1;
            assert_eq!(keys.open(keys.newest(), &changed, b"app"), Err(SealError::Forged));
        }
    }

    #[test]
    fn after_a_rotation_old_texts_open_and_new_ones_have_the_new_key() {
        let dir = tempfile::tempdir().unwrap();
        let first = MasterKeys::open_or_create(dir.path()).unwrap();
        let (old, sealed) = (first.newest().to_owned(), first.seal(b"hush", b"app").unwrap());
        let keys = first.with_new().unwrap();
        assert_ne!(keys.newest(), old);
        let again = MasterKeys::open_or_create(dir.path()).unwrap();
        assert_eq!(again.open(&old, &sealed, b"app").unwrap(), b"hush");
        assert_eq!(again.newest(), keys.newest());

        let rest = keys.only_newest().unwrap();
        assert_eq!(rest.open(&old, &sealed, b"app").unwrap(), b"hush", "read before it was sealed anew");
        let again = MasterKeys::open_or_create(dir.path()).unwrap();
        assert_eq!(again.open(&old, &sealed, b"app"), Err(SealError::NoSuchKey(old)));
        assert_eq!(again.newest(), keys.newest());
    }

    #[test]
    fn a_damaged_file_is_refused_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        MasterKeys::open_or_create(dir.path()).unwrap();
        let path = dir.path().join(FILE);
        let mut text = fs::read_to_string(&path).unwrap().into_bytes();
        text[20] = if text[20] == b'0' { b'1' } else { b'0' };
        for bad in [&text[..], b"", b"abc", b"abc def"] {
            fs::write(&path, bad).unwrap();
            assert!(MasterKeys::open_or_create(dir.path()).is_err());
            assert_eq!(fs::read(&path).unwrap(), bad);
        }
    }
}
