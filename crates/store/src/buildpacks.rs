//! The buildpacks that an app's builds use, in order.

use domain::AppId;
use domain::buildpack::BuildpackRef;
use jiff::Timestamp;

use crate::database::Connection;
use crate::rows::{Columns, all, corrupt};
use crate::{Store, StoreError};

/// The verbs of an app's buildpacks; see [`Store::buildpacks`].
pub struct Buildpacks<'a> {
    pub(crate) store: &'a Store,
}

impl Buildpacks<'_> {
    /// In the order in which they run; none: builds detect what fits.
    pub async fn list(&self, app: AppId) -> Result<Vec<BuildpackRef>, StoreError> {
        let rows = sqlx::query("SELECT buildpack FROM app_buildpacks WHERE app = $1 ORDER BY position")
            .bind(app.to_string())
            .fetch_all(self.store.readers())
            .await?;
        all(&rows, |row| parse(&row.string("buildpack")?))
    }

    /// These instead of those before.
    pub async fn replace(&self, app: AppId, buildpacks: &[BuildpackRef], at: Timestamp) -> Result<(), StoreError> {
        let mut transaction = self.store.begin().await?;
        sqlx::query("DELETE FROM app_buildpacks WHERE app = $1")
            .bind(app.to_string())
            .execute(&mut *transaction)
            .await?;
        insert(&mut transaction, app, buildpacks, at).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Keeps what a build detected for the builds to come, unless buildpacks
    /// are set already. Tells whether it did.
    pub async fn remember_detected(
        &self,
        app: AppId,
        detected: &[BuildpackRef],
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.store.begin().await?;
        let set = sqlx::query("SELECT 1 FROM app_buildpacks WHERE app = $1 LIMIT 1")
            .bind(app.to_string())
            .fetch_optional(&mut *transaction)
            .await?;
        if set.is_some() {
            return Ok(false);
        }
        insert(&mut transaction, app, detected, at).await?;
        transaction.commit().await?;
        Ok(true)
    }
}

async fn insert(
    connection: &mut Connection,
    app: AppId,
    buildpacks: &[BuildpackRef],
    at: Timestamp,
) -> Result<(), StoreError> {
    for (position, buildpack) in (0i64..).zip(buildpacks) {
        sqlx::query("INSERT INTO app_buildpacks (app, position, buildpack) VALUES ($1, $2, $3)")
            .bind(app.to_string())
            .bind(position)
            .bind(buildpack.as_str())
            .execute(&mut *connection)
            .await?;
    }
    let touched = sqlx::query("UPDATE apps SET updated_at = $2 WHERE id = $1")
        .bind(app.to_string())
        .bind(at.as_microsecond())
        .execute(connection)
        .await?;
    if touched.rows_affected() == 0 { Err(StoreError::Gone("app")) } else { Ok(()) }
}

pub(crate) fn parse(text: &str) -> Result<BuildpackRef, StoreError> {
    text.parse().map_err(|source| corrupt("buildpack", source))
}
