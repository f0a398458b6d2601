//! What is collected: slugs whose images are given up.

use std::collections::HashSet;

use domain::retention::{History, KeptSlug, SlugParts};
use domain::{AppId, ReleaseId, Retention, SlugId};
use jiff::Timestamp;

use crate::database::Connection;
use crate::rows::{Columns, all};
use crate::{Store, StoreError, releases};

/// The verbs of housekeeping; see [`Store::housekeeping`].
pub struct Housekeeping<'a> {
    pub(crate) store: &'a Store,
}

impl Housekeeping<'_> {
    /// The slugs of an app that `retention` lets go of; changes nothing.
    pub async fn spent(
        &self,
        app: AppId,
        retention: &Retention,
        parts: &SlugParts,
        at: Timestamp,
    ) -> Result<Vec<SlugId>, StoreError> {
        // One transaction, for one view of all tables.
        let mut transaction = self.store.readers().begin().await?;
        let history = history(&mut transaction, app).await?;
        Ok(retention.spent(&history, parts, at))
    }

    /// Marks those slugs as collected: their releases have expired, and no
    /// release of them can be made any more. Decided and written under one
    /// lock, so no release begins to need one of them in between. Their
    /// images may go when this has returned.
    pub async fn collect(
        &self,
        app: AppId,
        retention: &Retention,
        parts: &SlugParts,
        at: Timestamp,
    ) -> Result<Vec<SlugId>, StoreError> {
        let mut transaction = self.store.begin().await?;
        let history = history(&mut transaction, app).await?;
        let spent = retention.spent(&history, parts, at);
        for slug in &spent {
            sqlx::query("UPDATE slugs SET collected_at = $2 WHERE id = $1")
                .bind(slug.to_string())
                .bind(at.as_microsecond())
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok(spent)
    }
}

async fn history(connection: &mut Connection, app: AppId) -> Result<History, StoreError> {
    let releases = releases::read_all(connection, app).await?;
    let slugs = sqlx::query("SELECT id, created_at FROM slugs WHERE app = $1 AND collected_at IS NULL")
        .bind(app.to_string())
        .fetch_all(&mut *connection)
        .await?;
    let slugs = all(&slugs, |row| Ok(KeptSlug { id: row.text("id")?, created_at: row.time("created_at")? }))?;
    let running = sqlx::query("SELECT DISTINCT release FROM dynos WHERE app = $1")
        .bind(app.to_string())
        .fetch_all(connection)
        .await?;
    let running: HashSet<ReleaseId> = all(&running, |row| row.text("release"))?.into_iter().collect();
    Ok(History { releases, slugs, running })
}
