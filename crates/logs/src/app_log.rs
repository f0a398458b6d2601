//! One app's stream: its ring, its files, and who waits for more.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use domain::AppId;
use jiff::Timestamp;
use tokio::sync::Notify;

use crate::files::Files;
use crate::line::{Line, MAX_TEXT_BYTES, Source, clean, cut_at};
use crate::ring::Ring;

const MAX_PROCESS_BYTES: usize = 80;

#[derive(Debug)]
pub(crate) struct AppLog {
    pub(crate) app: AppId,
    /// The first id that this run of the server gives out.
    pub(crate) first: u64,
    ring: Mutex<Ring>,
    pub(crate) files: Mutex<Files>,
    /// Lines came, or the stream ended.
    pub(crate) changed: Notify,
    /// Lines came that the writer was not yet told of.
    pub(crate) unwritten: AtomicBool,
    removed: AtomicBool,
}

impl AppLog {
    pub(crate) fn new(dir: &Path, app: AppId, first: u64) -> Self {
        Self {
            app,
            first,
            ring: Mutex::new(Ring::new(first)),
            files: Mutex::new(Files::new(dir, app)),
            changed: Notify::new(),
            unwritten: AtomicBool::new(false),
            removed: AtomicBool::new(false),
        }
    }

    pub(crate) fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn files(&self) -> MutexGuard<'_, Files> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the writer must be told; `false` also when the app is gone.
    pub(crate) fn append(&self, lines: impl IntoIterator<Item = Line>) -> bool {
        {
            let mut ring = self.ring();
            if self.is_removed() {
                return false;
            }
            lines.into_iter().for_each(|line| ring.append(&tidy(line)));
        }
        self.changed.notify_waiters();
        !self.unwritten.swap(true, Ordering::AcqRel)
    }

    pub(crate) fn is_removed(&self) -> bool {
        self.removed.load(Ordering::Acquire)
    }

    /// Ends all tails; later lines are dropped.
    pub(crate) fn end(&self) {
        let mut ring = self.ring();
        self.removed.store(true, Ordering::Release);
        ring.clear();
        drop(ring);
        self.changed.notify_waiters();
    }

    /// Deletes the files of an ended stream.
    pub(crate) fn remove_files(&self) -> io::Result<()> {
        self.files().remove()
    }
}

/// Makes sure of what [`Line`] promises.
fn tidy(mut line: Line) -> Line {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if line.process.len() > MAX_PROCESS_BYTES || !line.process.bytes().all(is_plain) {
        let plain = |char: char| if char.is_ascii() && is_plain(char as u8) { char } else { '?' };
        line.process = line.process.chars().take(MAX_PROCESS_BYTES).map(plain).collect();
    }
    if let std::borrow::Cow::Owned(cleaned) = clean(&line.text) {
        line.text = Bytes::from(cleaned);
    }
    line.text.truncate(cut_at(&line.text, MAX_TEXT_BYTES));
    line
}

/// How the platform tells of lost lines, in the words of Heroku's L codes.
pub(crate) fn loss(code: &str, what: &str) -> Line {
    Line {
        at: Timestamp::now(),
        source: Source::Heroku,
        process: "logplex".to_owned(),
        text: Bytes::from(format!("Error {code} -> {what}")),
    }
}
