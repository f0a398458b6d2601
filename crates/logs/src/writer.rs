//! The thread that brings lines to disk.
//!
//! It is one more reader of the rings: if the disk is slow, lines are lost to
//! the files only, counted and told in the stream (L12), and no app waits.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;

use domain::AppId;
use tokio::sync::oneshot;

use crate::app_log::{AppLog, loss};

/// What the writer is asked to do, in order. One `Write` per app is under way
/// at most, so the queue is bounded by the number of apps.
pub(crate) enum Order {
    Write(Arc<AppLog>),
    Remove(Arc<AppLog>),
    /// Answer once everything before is done.
    Flush(oneshot::Sender<()>),
    Stop,
}

/// Works until [`Order::Stop`] or until no one can give orders any more.
pub(crate) fn run(orders: &Receiver<Order>, first: u64) {
    let mut writer = Writer { first, written: HashMap::new() };
    for order in orders {
        match order {
            Order::Write(log) => writer.write(&log),
            Order::Remove(log) => writer.remove(&log),
            Order::Flush(done) => drop(done.send(())),
            Order::Stop => return,
        }
    }
}

struct Writer {
    /// The first id that this server gives.
    first: u64,
    /// Per app: the first id that is not on disk.
    written: HashMap<AppId, u64>,
}

impl Writer {
    fn write(&mut self, log: &AppLog) {
        log.unwritten.store(false, Ordering::Release);
        let cursor = self.written.entry(log.app).or_insert(self.first);
        loop {
            let snapshot = log.ring().since(*cursor);
            if snapshot.lost > 0 {
                let what = format!("{} messages could not be kept on disk", snapshot.lost);
                *cursor = snapshot.first;
                log.append([loss("L12 (Local buffer overflow)", &what)]);
                // The line is written in the next round of this loop.
                log.unwritten.store(false, Ordering::Release);
                continue;
            }
            if snapshot.next == *cursor || log.is_removed() {
                return;
            }
            let records: Vec<u8> = snapshot.bytes().collect::<Vec<_>>().concat();
            if let Err(error) = log.files().append(&records) {
                // Tried again with the app's next line; what the ring loses
                // until then is counted.
                tracing::error!(app.id = %log.app, %error, "Could not write log lines to disk");
                return;
            }
            *cursor = snapshot.next;
            log.ring().set_written(*cursor);
        }
    }

    fn remove(&mut self, log: &AppLog) {
        self.written.remove(&log.app);
        if let Err(error) = log.remove_files() {
            tracing::error!(app.id = %log.app, %error, "Could not remove the log files of an app");
        }
    }
}
