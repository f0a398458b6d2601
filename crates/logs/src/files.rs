//! An app's lines on disk: two files that take turns.
//!
//! Lines are appended to `<app>.log`; when it is full it replaces
//! `<app>.1.log`. Each file holds more than the ring's 1,500 lines even if all
//! of them are of the longest kind.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use domain::AppId;

use crate::filter::Filter;
use crate::line::Line;
use crate::record::Records;

/// When a file is full; both together are what an app takes on disk.
const FILE_BYTES: u64 = 16 << 20;

#[derive(Debug)]
pub(crate) struct Files {
    current: PathBuf,
    previous: PathBuf,
    /// The whole records in `current`; not known before the first write.
    length: Option<u64>,
}

impl Files {
    pub(crate) fn new(dir: &Path, app: AppId) -> Self {
        let path = |suffix: &str| dir.join(format!("{app}{suffix}"));
        Self { current: path(".log"), previous: path(".1.log"), length: None }
    }

    /// Appends encoded records. After an error nothing of them counts.
    pub(crate) fn append(&mut self, records: &[u8]) -> io::Result<()> {
        let mut file = OpenOptions::new().create(true).append(true).open(&self.current)?;
        let mut length = match self.length {
            Some(length) => length,
            None => self.mend(&file)?,
        };
        if length > 0 && length + records.len() as u64 > FILE_BYTES {
            fs::rename(&self.current, &self.previous)?;
            file = OpenOptions::new().create(true).append(true).open(&self.current)?;
            length = 0;
        }
        self.length = None;
        file.write_all(records)?;
        self.length = Some(length + records.len() as u64);
        Ok(())
    }

    /// Takes off what an earlier write left torn; returns the length after it.
    fn mend(&self, file: &File) -> io::Result<u64> {
        let bytes = fs::read(&self.current)?;
        let mut records = Records::checked(&bytes);
        records.by_ref().for_each(drop);
        let whole = records.offset() as u64;
        if whole < bytes.len() as u64 {
            tracing::warn!(path = %self.current.display(), "Log file ended in a torn line, which was taken off");
            file.set_len(whole)?;
        }
        Ok(whole)
    }

    pub(crate) fn remove(&mut self) -> io::Result<()> {
        self.length = None;
        for path in [&self.current, &self.previous] {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// The newest `wanted` matching lines with ids above `after` and below
    /// `before`, oldest first.
    pub(crate) fn read(&self, filter: &Filter, after: Option<u64>, before: u64, wanted: usize) -> io::Result<History> {
        let mut history = History::default();
        for path in [&self.current, &self.previous] {
            let enough = history.lines.len() >= wanted;
            let reached =
                after.is_some_and(|after| history.oldest.is_some_and(|oldest| oldest <= after.saturating_add(1)));
            if enough && after.is_none() || reached {
                break;
            }
            let bytes = match fs::read(path) {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            history.put_before(&bytes, filter, after, before, wanted);
        }
        Ok(history)
    }
}

/// Lines found on disk.
#[derive(Debug, Default)]
pub(crate) struct History {
    pub(crate) lines: VecDeque<(u64, Line)>,
    /// The id of the oldest line on disk, whether it matched or not.
    pub(crate) oldest: Option<u64>,
}

impl History {
    fn put_before(&mut self, bytes: &[u8], filter: &Filter, after: Option<u64>, before: u64, wanted: usize) {
        let room = wanted.saturating_sub(self.lines.len());
        let mut offsets = VecDeque::new();
        let mut records = Records::checked(bytes);
        let mut first = None;
        loop {
            let offset = records.offset();
            let Some(record) = records.next() else { break };
            first.get_or_insert(record.id);
            let is_asked = record.id < before && after.is_none_or(|after| record.id > after);
            if room > 0 && is_asked && filter.matches(&record) {
                if offsets.len() == room {
                    offsets.pop_front();
                }
                offsets.push_back(offset);
            }
        }
        self.oldest = first.or(self.oldest);
        for offset in offsets.into_iter().rev() {
            if let Some(record) = Records::trusted(&bytes[offset..]).next() {
                self.lines.push_front((record.id, record.line()));
            }
        }
    }
}
