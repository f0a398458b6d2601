//! A reader of one app's stream.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use futures::Stream;

use crate::app_log::{AppLog, loss};
use crate::files::History;
use crate::filter::Filter;
use crate::line::Line;
use crate::record::Records;
use crate::ring::Snapshot;

/// Lines with their ids, in order; never empty.
pub type Batch = Vec<(u64, Line)>;

/// How many lines a reader that comes back may have missed; of more it gets
/// the newest, and is told of the others.
const MAX_RESUMED_LINES: usize = 10_000;

/// Lines of one app's stream, batch by batch. Dropping it ends it.
#[derive(Debug)]
pub struct Tail {
    log: Arc<AppLog>,
    filter: Filter,
    follow: bool,
    position: Position,
}

#[derive(Debug, Clone, Copy)]
enum Position {
    /// What was kept before this id is still to be given.
    Start { before: u64, lines: usize, after: Option<u64> },
    /// The id that comes next.
    At(u64),
}

impl Tail {
    pub(crate) fn new(log: Arc<AppLog>, filter: Filter, lines: usize, follow: bool, after: Option<u64>) -> Self {
        let before = log.ring().next();
        Self { log, filter, follow, position: Position::Start { before, lines, after } }
    }

    /// The next lines; waits for them when following. `None`: there are no
    /// more, or the app is gone. Safe to cancel.
    pub async fn next(&mut self) -> Option<Batch> {
        if let Position::Start { before, lines, after } = self.position {
            let batch = self.kept(before, lines, after).await;
            self.position = Position::At(before);
            if !batch.is_empty() {
                return Some(batch);
            }
        }
        while self.follow {
            let log = Arc::clone(&self.log);
            let mut changed = std::pin::pin!(log.changed.notified());
            changed.as_mut().enable();
            if self.log.is_removed() {
                return None;
            }
            match self.come() {
                Some(batch) if batch.is_empty() => {}
                Some(batch) => return Some(batch),
                None => changed.await,
            }
        }
        None
    }

    /// The batches as a stream.
    pub fn into_stream(self) -> impl Stream<Item = Batch> + Send + 'static {
        futures::stream::unfold(self, |mut tail| async move { tail.next().await.map(|batch| (batch, tail)) })
    }

    /// A step through what came since; `None` if nothing did.
    fn come(&mut self) -> Option<Batch> {
        let Position::At(cursor) = self.position else { return None };
        let snapshot = self.log.ring().since(cursor);
        if snapshot.next == cursor {
            return None;
        }
        self.position = Position::At(snapshot.next);
        let lost = (snapshot.lost > 0).then(|| (snapshot.first - 1, dropped(snapshot.lost)));
        Some(lost.into_iter().chain(matching(&snapshot, &self.filter)).collect())
    }

    /// What is kept on disk and in memory.
    async fn kept(&self, before: u64, lines: usize, after: Option<u64>) -> Batch {
        let wanted = after.map_or(lines, |_| MAX_RESUMED_LINES);
        let is_asked = |id| id < before && after.is_none_or(|after| id > after);
        let snapshot = self.log.ring().all();
        let mut kept: VecDeque<(u64, Line)> =
            matching(&snapshot, &self.filter).filter(|(id, _)| is_asked(*id)).collect();
        let mut oldest = snapshot.first;
        if kept.len() < wanted && after.is_none_or(|after| after.saturating_add(1) < snapshot.first) {
            match self.on_disk(after, snapshot.first.min(before), wanted - kept.len()).await {
                Ok(history) => {
                    oldest = history.oldest.unwrap_or(oldest).min(oldest);
                    kept = history.lines.into_iter().chain(kept).collect();
                }
                Err(error) => tracing::error!(app.id = %self.log.app, %error, "Could not read log lines from disk"),
            }
        }
        let surplus = kept.len().saturating_sub(wanted);
        kept.drain(..surplus);
        if let Some(after) = after {
            let first = if kept.len() == wanted { kept.front().map_or(oldest, |(id, _)| *id) } else { oldest };
            // Ids have a gap between two runs of the server: what is lost can
            // be counted within this run only.
            if after >= self.log.first && first > after.saturating_add(1) {
                kept.push_front((first - 1, dropped(first - after - 1)));
            }
        }
        kept.into()
    }

    async fn on_disk(&self, after: Option<u64>, before: u64, wanted: usize) -> io::Result<History> {
        let (log, filter) = (Arc::clone(&self.log), self.filter.clone());
        let read = move || {
            if log.is_removed() { Ok(History::default()) } else { log.files().read(&filter, after, before, wanted) }
        };
        tokio::task::spawn_blocking(read).await.map_err(io::Error::other)?
    }
}

fn matching<'a>(snapshot: &'a Snapshot, filter: &'a Filter) -> impl Iterator<Item = (u64, Line)> + 'a {
    let records = snapshot.bytes().flat_map(Records::trusted);
    records.filter(|record| filter.matches(record)).map(|record| (record.id, record.line()))
}

fn dropped(count: u64) -> Line {
    let what = format!("This tail session dropped {count} messages.");
    loss("L11 (Tail buffer overflow)", &what)
}
