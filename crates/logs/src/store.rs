//! All apps' streams, and the one thread that writes them to disk.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;

use domain::AppId;
use tokio::sync::oneshot;

use crate::app_log::AppLog;
use crate::filter::Filter;
use crate::line::Line;
use crate::tail::Tail;
use crate::writer::{self, Order};

/// Ids of one run of the server start at its number times this: they rise over
/// a restart without a look at what the run before gave out.
const IDS_PER_RUN: u64 = 1 << 40;

#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("could not prepare the log directory at `{}`", path.display())]
    Directory { path: PathBuf, source: io::Error },
    #[error("`{}` does not hold the number of the last run: remove it together with the `.log` files beside it", path.display())]
    Run { path: PathBuf },
}

/// The log streams of all apps. Clones share them; the last one to go writes
/// what is still to be written.
#[derive(Debug, Clone)]
pub struct Logs(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    dir: PathBuf,
    first: u64,
    apps: RwLock<HashMap<AppId, Arc<AppLog>>>,
    orders: Sender<Order>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl Logs {
    /// Opens the streams kept in `dir`, which is made if absent. Only one
    /// process may have it open.
    pub fn open(dir: impl Into<PathBuf>) -> Result<Self, OpenError> {
        let dir = dir.into();
        let first = next_run(&dir)?.saturating_mul(IDS_PER_RUN);
        let (orders, received) = channel();
        let writer = std::thread::Builder::new()
            .name("logs-writer".to_owned())
            .spawn(move || writer::run(&received, first))
            .map_err(|source| OpenError::Directory { path: dir.clone(), source })?;
        let apps = RwLock::new(HashMap::new());
        Ok(Self(Arc::new(Shared { dir, first, apps, orders, writer: Mutex::new(Some(writer)) })))
    }

    /// Adds a line to the app's stream. Never waits for a disk or a reader.
    pub fn append(&self, app: AppId, line: Line) {
        self.append_all(app, [line]);
    }

    /// Adds lines in one go: what to use for a chunk of a dyno's output.
    pub fn append_all(&self, app: AppId, lines: impl IntoIterator<Item = Line>) {
        let log = self.app(app);
        if log.append(lines) {
            self.0.order(Order::Write(log));
        }
    }

    /// The last `lines` matching lines, oldest first, and then, if `follow`,
    /// what comes. With `after` (a `Last-Event-Id`) `lines` does not count:
    /// everything after that id is given, as far as it is kept.
    pub fn tail(&self, app: AppId, filter: Filter, lines: usize, follow: bool, after: Option<u64>) -> Tail {
        Tail::new(self.app(app), filter, lines, follow, after)
    }

    /// Ends the app's stream and its tails and deletes its files; lines that
    /// come later are dropped.
    pub fn remove(&self, app: AppId) {
        let log = self.app(app);
        log.end();
        self.0.order(Order::Remove(log));
    }

    /// Forgets the streams that were removed, which keep late lines away until
    /// then. To be called now and then.
    pub fn forget_removed(&self) {
        self.0.apps.write().unwrap_or_else(PoisonError::into_inner).retain(|_, log| !log.is_removed());
    }

    /// Returns when all lines appended so far are handed to the kernel.
    pub async fn flush(&self) {
        let (done, flushed) = oneshot::channel();
        self.0.order(Order::Flush(done));
        // An error means that the writer has ended, after writing everything.
        let _ = flushed.await;
    }

    fn app(&self, app: AppId) -> Arc<AppLog> {
        if let Some(log) = self.0.apps.read().unwrap_or_else(PoisonError::into_inner).get(&app) {
            return Arc::clone(log);
        }
        let mut apps = self.0.apps.write().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(AppLog::new(&self.0.dir, app, self.0.first));
        Arc::clone(apps.entry(app).or_insert_with(new))
    }
}

impl Shared {
    fn order(&self, order: Order) {
        if self.orders.send(order).is_err() {
            tracing::error!("The thread that writes logs has ended; log lines are kept in memory only");
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.order(Order::Stop);
        let writer = self.writer.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if writer.is_some_and(|writer| writer.join().is_err()) {
            tracing::error!("The thread that writes logs panicked");
        }
    }
}

/// Counts the runs in `dir`; durable before the first id is given out.
fn next_run(dir: &Path) -> Result<u64, OpenError> {
    let path = dir.join("run");
    let last = match fs::read_to_string(&path) {
        Ok(text) => text.trim().parse::<u64>().map_err(|_| OpenError::Run { path: path.clone() })?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(source) => return Err(OpenError::Directory { path, source }),
    };
    let write = || {
        fs::create_dir_all(dir)?;
        let new = dir.join("run.new");
        let mut file = File::create(&new)?;
        writeln!(file, "{}", last + 1)?;
        file.sync_all()?;
        fs::rename(&new, &path)
    };
    write().map_err(|source| OpenError::Directory { path: dir.to_owned(), source })?;
    Ok(last + 1)
}
