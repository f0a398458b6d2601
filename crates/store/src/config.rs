//! Config vars as they lie in the database: one sealed JSON object per
//! release, bound to the ids of its app and release.

use std::collections::BTreeMap;

use domain::{AppId, ConfigKey, ConfigVars, ReleaseId};
use sqlx::Executor;

use crate::database::{Connection, Database, Pool};
use crate::key_ring::KeyRing;
use crate::keys::{MasterKeys, SealError};
use crate::rows::{Columns, corrupt};
use crate::{OpenError, StoreError};

/// Refuses keys that lack one this database was sealed with, then notes the
/// newest: from now on it may be used.
pub(crate) async fn check_keys(database: &Database, keys: &MasterKeys) -> Result<(), OpenError> {
    let failed = |error: sqlx::Error| OpenError::Store(error.into());
    let used: Vec<String> = sqlx::query_scalar("SELECT id FROM master_keys ORDER BY id")
        .fetch_all(&database.writer)
        .await
        .map_err(failed)?;
    if let Some(missing) = used.into_iter().find(|id| !keys.ids().any(|known| known == id)) {
        return Err(OpenError::KeyMissing { id: missing, path: keys.path().to_owned() });
    }
    note_key(&database.writer, keys.newest()).await.map_err(OpenError::Store)
}

/// Something may be sealed with this key from now on.
pub(crate) async fn note_key(writer: &Pool, id: &str) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO master_keys (id) VALUES ($1) ON CONFLICT DO NOTHING").bind(id).execute(writer).await?;
    Ok(())
}

pub(crate) async fn write(
    connection: &mut Connection,
    keys: &KeyRing,
    app: AppId,
    release: ReleaseId,
    vars: &ConfigVars,
) -> Result<(), StoreError> {
    let plain: BTreeMap<&str, &str> = vars.iter().map(|(key, value)| (key.as_str(), value)).collect();
    let plain = serde_json::to_vec(&plain).map_err(|source| corrupt("config", source))?;
    let keys = keys.current();
    sqlx::query("INSERT INTO release_configs (release, master_key, sealed) VALUES ($1, $2, $3)")
        .bind(release.to_string())
        .bind(keys.newest())
        .bind(keys.seal(&plain, &belongs_to(app, release))?)
        .execute(connection)
        .await?;
    Ok(())
}

/// The config vars of a release.
pub(crate) async fn read<'c>(
    connection: impl Executor<'c, Database = sqlx::Sqlite>,
    keys: &KeyRing,
    release: ReleaseId,
) -> Result<ConfigVars, StoreError> {
    let row = sqlx::query(
        "SELECT releases.app, master_key, sealed FROM release_configs
         JOIN releases ON releases.id = release WHERE release = $1",
    )
    .bind(release.to_string())
    .fetch_optional(connection)
    .await?
    .ok_or(StoreError::Gone("release"))?;
    let belongs_to = belongs_to(row.text("app")?, release);
    let plain = keys.open(&row.string("master_key")?, &row.bytes("sealed")?, &belongs_to)?;
    let vars: BTreeMap<ConfigKey, String> =
        serde_json::from_slice(&plain).map_err(|source| corrupt("sealed", source))?;
    Ok(vars.into_iter().collect())
}

/// Seals at most `limit` configs of old keys anew; tells how many it were.
pub(crate) async fn reseal(connection: &mut Connection, keys: &MasterKeys, limit: u32) -> Result<u64, StoreError> {
    let old = sqlx::query(
        "SELECT release, releases.app, master_key, sealed FROM release_configs
         JOIN releases ON releases.id = release WHERE master_key <> $1 LIMIT $2",
    )
    .bind(keys.newest())
    .bind(limit)
    .fetch_all(&mut *connection)
    .await?;
    for row in &old {
        let belongs_to = belongs_to(row.text("app")?, row.text("release")?);
        let plain = keys.open(&row.string("master_key")?, &row.bytes("sealed")?, &belongs_to)?;
        sqlx::query("UPDATE release_configs SET master_key = $2, sealed = $3 WHERE release = $1")
            .bind(row.string("release")?)
            .bind(keys.newest())
            .bind(keys.seal(&plain, &belongs_to)?)
            .execute(&mut *connection)
            .await?;
    }
    u64::try_from(old.len()).map_err(|source| corrupt("sealed", source))
}

/// How many configs are sealed with other keys than this.
pub(crate) async fn count_older(readers: &Pool, newest: &str) -> Result<u64, StoreError> {
    let count: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM release_configs WHERE master_key <> $1")
        .bind(newest)
        .fetch_one(readers)
        .await?;
    u64::try_from(count).map_err(|source| corrupt("master_key", source))
}

/// Forgets all keys but this, unless something is sealed with another: then `false`.
pub(crate) async fn forget_older(connection: &mut Connection, newest: &str) -> Result<bool, StoreError> {
    sqlx::query(
        "DELETE FROM master_keys WHERE id <> $1
         AND NOT EXISTS (SELECT 1 FROM release_configs WHERE master_key = master_keys.id)",
    )
    .bind(newest)
    .execute(&mut *connection)
    .await?;
    let left: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM master_keys").fetch_one(connection).await?;
    Ok(left <= 1)
}

pub(crate) fn belongs_to(app: AppId, release: ReleaseId) -> [u8; 32] {
    let mut both = [0; 32];
    both[..16].copy_from_slice(app.0.as_bytes());
    both[16..].copy_from_slice(release.0.as_bytes());
    both
}

impl From<SealError> for OpenError {
    fn from(error: SealError) -> Self {
        Self::Store(error.into())
    }
}
