//! Copies of the database, made while it is used, and what a backup must know
//! of one.

use std::path::Path;

use domain::Digest;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection, Row as _};

use crate::config::belongs_to;
use crate::rows::Columns;
use crate::{MasterKeys, StoreError};

/// A copy of a database as a file of its own. Opening one changes nothing in it.
pub struct Snapshot {
    connection: SqliteConnection,
}

/// The image of a slug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlugImage {
    pub manifest: Digest,
    /// Some app's current release runs it.
    pub is_current: bool,
}

/// What a copy holds, in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotCounts {
    pub apps: u64,
    pub releases: u64,
}

impl Snapshot {
    /// Writes a copy of `database` to `copy`, which must not exist: all that
    /// was committed at one moment, and nothing of later. Neither readers nor
    /// the writer wait for it.
    pub async fn take(database: &Path, copy: &Path) -> Result<(), StoreError> {
        // Without `create_if_missing`: a wrong path is an error and no empty database.
        let mut connection =
            SqliteConnectOptions::new().filename(database).disable_statement_logging().connect().await?;
        let copied = sqlx::query("VACUUM INTO $1").bind(copy.to_string_lossy()).execute(&mut connection).await;
        connection.close().await?;
        copied?;
        Ok(())
    }

    /// Opens a copy that nobody else writes to.
    pub async fn open(copy: &Path) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new().filename(copy).read_only(true).immutable(true);
        Ok(Self { connection: options.disable_statement_logging().connect().await? })
    }

    /// What SQLite finds wrong with the file; empty if it is whole.
    pub async fn damage(&mut self) -> Result<Vec<String>, StoreError> {
        let mut found: Vec<String> =
            sqlx::query_scalar("PRAGMA integrity_check").fetch_all(&mut self.connection).await?;
        found.retain(|line| line != "ok");
        let strays = sqlx::query("PRAGMA foreign_key_check").fetch_all(&mut self.connection).await?;
        for stray in strays {
            found.push(format!("a row of {} refers to one that is not there", stray.try_get::<String, _>(0)?));
        }
        Ok(found)
    }

    pub async fn counts(&mut self) -> Result<SnapshotCounts, StoreError> {
        let count = async |connection: &mut SqliteConnection, sql: &'static str| -> Result<u64, StoreError> {
            let count: i64 = sqlx::query_scalar(sql).fetch_one(connection).await?;
            Ok(count.unsigned_abs())
        };
        let apps = count(&mut self.connection, "SELECT count(*) FROM apps").await?;
        let releases = count(&mut self.connection, "SELECT count(*) FROM releases").await?;
        Ok(SnapshotCounts { apps, releases })
    }

    /// The images of all slugs that were not collected, each once.
    pub async fn images(&mut self) -> Result<Vec<SlugImage>, StoreError> {
        let rows = sqlx::query(
            "SELECT image, max(EXISTS (SELECT 1 FROM releases WHERE releases.slug = slugs.id AND is_current)) AS is_current
             FROM slugs WHERE collected_at IS NULL GROUP BY image ORDER BY image",
        )
        .fetch_all(&mut self.connection)
        .await?;
        rows.iter()
            .map(|row| Ok(SlugImage { manifest: row.text("image")?, is_current: row.flag("is_current")? }))
            .collect()
    }

    /// Opens the config vars of every release with `keys`; fails at the first
    /// that do not open.
    pub async fn unseal_all(&mut self, keys: &MasterKeys) -> Result<(), StoreError> {
        let rows = sqlx::query(
            "SELECT releases.app, release, master_key, sealed FROM release_configs
             JOIN releases ON releases.id = release",
        )
        .fetch_all(&mut self.connection)
        .await?;
        for row in rows {
            let belongs_to = belongs_to(row.text("app")?, row.text("release")?);
            keys.open(&row.string("master_key")?, &row.bytes("sealed")?, &belongs_to)?;
        }
        Ok(())
    }

    pub async fn close(self) -> Result<(), StoreError> {
        Ok(self.connection.close().await?)
    }
}
