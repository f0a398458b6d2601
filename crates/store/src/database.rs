//! The connections: one that writes, a few that read. What is SQLite's own
//! stands here and in `migrations/sqlite`; the verbs use SQL that PostgreSQL
//! reads as well.

use std::fs::{self, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use crate::{OpenError, StoreError};

pub(crate) type Pool = sqlx::SqlitePool;
pub(crate) type Connection = sqlx::SqliteConnection;
pub(crate) type Transaction = sqlx::Transaction<'static, sqlx::Sqlite>;
pub(crate) type Row = sqlx::sqlite::SqliteRow;

pub(crate) struct Database {
    /// One connection: SQLite has one writer anyway, and who waits for it
    /// here waits in order and without polling.
    pub(crate) writer: Pool,
    pub(crate) readers: Pool,
}

/// Reads are short and mostly from memory; more threads than this only wait
/// for each other.
const READERS: u32 = 4;

/// How long to wait for another process that holds the database (a backup).
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The write-ahead log is cut back to this after a peak.
const LOG_LIMIT_BYTES: &str = "67108864";

impl Database {
    pub(crate) async fn open(path: &Path) -> Result<Self, OpenError> {
        protect(path).map_err(|source| OpenError::File { path: path.to_owned(), source })?;
        let failed = |source| OpenError::Open { path: path.to_owned(), source };
        let options = SqliteConnectOptions::new()
            .filename(path)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT)
            .disable_statement_logging();
        let writing = options
            .clone()
            .journal_mode(SqliteJournalMode::Wal)
            // FULL: a commit is on the disk before it is acknowledged. NORMAL
            // would lose the last ones when the power fails.
            .synchronous(SqliteSynchronous::Full)
            .pragma("journal_size_limit", LOG_LIMIT_BYTES)
            // What was sealed with an old key is overwritten, not only unlinked.
            .pragma("secure_delete", "true");
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .min_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(writing)
            .await
            .map_err(failed)?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .connect_with(options.pragma("query_only", "true"))
            .await
            .map_err(failed)?;
        Ok(Self { writer, readers })
    }

    /// Begins a transaction that may write. It has the write lock from its
    /// first statement on, so what it reads stays true until it commits.
    pub(crate) async fn begin(&self) -> Result<Transaction, StoreError> {
        Ok(self.writer.begin_with("BEGIN IMMEDIATE").await?)
    }

    /// Brings all of the write-ahead log into the database and empties it, so
    /// that no older version of a row is left on the disk.
    pub(crate) async fn shorten_log(&self) -> Result<(), StoreError> {
        sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_all(&self.writer).await?;
        Ok(())
    }

    pub(crate) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

/// Held while a database is opened: changing to the write-ahead log is the one
/// thing that SQLite does not wait for its turn with. A file of its own, since
/// closing the database's would drop the locks that SQLite has on it.
pub(crate) async fn opening_lock(path: &Path) -> Result<fs::File, OpenError> {
    let mut lock = path.as_os_str().to_owned();
    lock.push(".lock");
    let lock = PathBuf::from(lock);
    let failed = |source| OpenError::File { path: lock.clone(), source };
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&lock).map_err(failed)?;
    let locked = tokio::task::spawn_blocking(move || file.lock().map(|()| file)).await;
    locked.map_err(|panic| failed(io::Error::other(panic)))?.map_err(failed)
}

/// Makes the file, if there is none, readable by its owner only; SQLite gives
/// its companions (`-wal`, `-shm`) the same mode.
fn protect(path: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(file) => {
            file.sync_all()?;
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            fs::File::open(folder)?.sync_all()
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            fs::set_permissions(path, Permissions::from_mode(0o600))
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn pragma(pool: &Pool, name: &str) -> String {
        let sql = format!("SELECT CAST({name} AS TEXT) FROM pragma_{name}");
        sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(pool).await.unwrap()
    }

    #[tokio::test]
    async fn commits_are_on_the_disk_and_rows_refer_to_rows_that_exist() {
        let dir = tempfile::tempdir().unwrap();
        let database = Database::open(&dir.path().join("renga.db")).await.unwrap();
        for (name, value) in [("journal_mode", "wal"), ("synchronous", "2"), ("foreign_keys", "1")] {
            assert_eq!(pragma(&database.writer, name).await, value, "{name}");
        }
        let timeout: i64 = sqlx::query_scalar("PRAGMA busy_timeout").fetch_one(&database.writer).await.unwrap();
        assert_eq!(timeout, 5000);
        assert_eq!(database.writer.options().get_max_connections(), 1);
    }

    #[tokio::test]
    async fn readers_can_not_write() {
        let dir = tempfile::tempdir().unwrap();
        let database = Database::open(&dir.path().join("renga.db")).await.unwrap();
        let refusal = sqlx::query("CREATE TABLE t (c INTEGER)").execute(&database.readers).await.unwrap_err();
        assert!(refusal.to_string().contains("readonly"), "{refusal}");
    }
}
