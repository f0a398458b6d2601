//! Writing an archive: a tar whose files are summed up as they pass.

use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use ring::digest::{Context, SHA256};
use tar::{Builder, EntryType, Header};

use crate::Progress;
use crate::error::BackupError;
use crate::manifest::Sum;

pub(crate) struct ArchiveWriter<'a, W: Write> {
    tar: Builder<W>,
    files: BTreeMap<String, Sum>,
    bytes: u64,
    progress: &'a mut dyn FnMut(Progress<'_>),
}

/// Owner and mode of an entry.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Owner {
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl From<&Metadata> for Owner {
    fn from(metadata: &Metadata) -> Self {
        Self { mode: metadata.mode() & 0o7777, uid: metadata.uid(), gid: metadata.gid() }
    }
}

/// Of files that are made for the archive.
pub(crate) const ROOTS_OWN: Owner = Owner { mode: 0o600, uid: 0, gid: 0 };

impl<'a, W: Write> ArchiveWriter<'a, W> {
    pub(crate) fn new(out: W, progress: &'a mut dyn FnMut(Progress<'_>)) -> Self {
        Self { tar: Builder::new(out), files: BTreeMap::new(), bytes: 0, progress }
    }

    pub(crate) fn files(&self) -> &BTreeMap<String, Sum> {
        &self.files
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn folder(&mut self, path: &str, owner: Owner) -> Result<(), BackupError> {
        let mut header = header(EntryType::Directory, 0, owner);
        self.tar.append_data(&mut header, format!("{path}/"), io::empty()).map_err(BackupError::Archive)
    }

    pub(crate) fn content(&mut self, path: &str, content: &[u8], owner: Owner) -> Result<(), BackupError> {
        self.take(path, content, content.len() as u64, owner)
    }

    /// A file that is open: all that it held when it was opened. One that
    /// grows (a log) is taken up to there.
    pub(crate) fn file(&mut self, path: &str, file: &File, from: &Path) -> Result<(), BackupError> {
        let read = |source| BackupError::Read { path: from.to_owned(), source };
        let metadata = file.metadata().map_err(read)?;
        self.take(path, file.take(metadata.len()), metadata.len(), Owner::from(&metadata))
    }

    fn take(&mut self, path: &str, content: impl Read, bytes: u64, owner: Owner) -> Result<(), BackupError> {
        let mut header = header(EntryType::Regular, bytes, owner);
        let mut summed = Summed::new(content);
        self.tar.append_data(&mut header, path, &mut summed).map_err(BackupError::Archive)?;
        let (read, sha256) = summed.end();
        if read != bytes {
            let shrank = io::Error::other(format!("{path} shrank from {bytes} to {read} bytes while it was read"));
            return Err(BackupError::Archive(shrank));
        }
        self.bytes += bytes;
        self.files.insert(path.to_owned(), Sum { bytes, sha256 });
        let part = path.split('/').next().unwrap_or(path);
        (self.progress)(Progress { part, files: self.files.len() as u64, bytes: self.bytes });
        Ok(())
    }

    /// Ends the archive; it is whole once the file behind it is synced.
    pub(crate) fn end(self) -> Result<(), BackupError> {
        self.tar.into_inner().and_then(|mut out| out.flush()).map_err(BackupError::Archive)
    }
}

fn header(kind: EntryType, bytes: u64, owner: Owner) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(bytes);
    header.set_mode(owner.mode);
    header.set_uid(owner.uid.into());
    header.set_gid(owner.gid.into());
    header.set_mtime(0);
    header
}

/// Counts and sums up what is read through it.
pub(crate) struct Summed<R> {
    inner: R,
    context: Context,
    bytes: u64,
}

impl<R: Read> Summed<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self { inner, context: Context::new(&SHA256), bytes: 0 }
    }

    /// How much was read, and its SHA-256.
    pub(crate) fn end(self) -> (u64, String) {
        (self.bytes, hex(self.context.finish().as_ref()))
    }
}

impl<R: Read> Read for Summed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.context.update(&buffer[..length]);
        self.bytes += length as u64;
        Ok(length)
    }
}

pub(crate) fn sha256(content: &[u8]) -> String {
    hex(ring::digest::digest(&SHA256, content).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
