//! How the next release of an app comes about: its number, its row, its config
//! vars, and what it takes over from those before.

use domain::release::{Release, ReleaseState};
use domain::{AppId, ConfigVars, ReleaseId, SlugId};
use jiff::Timestamp;

use crate::database::Connection;
use crate::ids::new_id;
use crate::key_ring::KeyRing;
use crate::releases::{NewRelease, read};
use crate::rows::corrupt;
use crate::{StoreError, config, going_live, slugs};

pub(crate) async fn insert(
    connection: &mut Connection,
    keys: &KeyRing,
    new: &NewRelease<'_>,
    at: Timestamp,
) -> Result<Release, StoreError> {
    // First of all touch the app: where rows are locked one by one, this is
    // what makes the releases of one app queue, so that versions have no gaps.
    let touched = sqlx::query("UPDATE apps SET updated_at = $2 WHERE id = $1")
        .bind(new.app.to_string())
        .bind(at.as_microsecond())
        .execute(&mut *connection)
        .await?;
    if touched.rows_affected() == 0 {
        return Err(StoreError::Gone("app"));
    }
    if let Some(slug) = new.slug {
        let slug = slugs::read(connection, slug).await?;
        if slug.app != new.app || slug.collected_at.is_some() {
            return Err(StoreError::Gone("slug"));
        }
    }
    let id = ReleaseId(new_id(at));
    let state = if new.has_phase { ReleaseState::Pending } else { ReleaseState::Succeeded };
    sqlx::query(
        "INSERT INTO releases (id, app, version, slug, created_by, description, state, is_current, has_phase,
                               created_at, updated_at)
         SELECT $1, $2, COALESCE(MAX(version), 0) + 1, $3, $4, $5, $6, $7, $8, $9, $9 FROM releases WHERE app = $2",
    )
    .bind(id.to_string())
    .bind(new.app.to_string())
    .bind(new.slug.map(|slug| slug.to_string()))
    .bind(new.user.to_string())
    .bind(&new.description)
    .bind(state.name())
    .bind(false)
    .bind(new.has_phase)
    .bind(at.as_microsecond())
    .execute(&mut *connection)
    .await?;
    config::write(connection, keys, new.app, id, new.config).await?;
    if !new.has_phase {
        let release = read(connection, id).await?;
        going_live::go_live(connection, &release, at).await?;
    }
    read(connection, id).await
}

pub(crate) async fn latest_config(
    connection: &mut Connection,
    keys: &KeyRing,
    app: AppId,
) -> Result<ConfigVars, StoreError> {
    let latest: Option<String> =
        sqlx::query_scalar("SELECT id FROM releases WHERE app = $1 ORDER BY version DESC LIMIT 1")
            .bind(app.to_string())
            .fetch_optional(&mut *connection)
            .await?;
    let latest = latest.ok_or(StoreError::Gone("app"))?.parse().map_err(|source| corrupt("id", source))?;
    config::read(connection, keys, latest).await
}

/// The code that a release without code of its own goes on with: that of the
/// latest release that has not failed. If none has code but a failed one, it
/// is tried again: the change may be what its release command lacked.
pub(crate) async fn latest_slug(connection: &mut Connection, app: AppId) -> Result<Option<SlugId>, StoreError> {
    let slug: Option<String> = sqlx::query_scalar(
        "SELECT slug FROM releases WHERE app = $1 AND slug IS NOT NULL \
         ORDER BY CASE WHEN state = 'failed' THEN 1 ELSE 0 END, version DESC LIMIT 1",
    )
    .bind(app.to_string())
    .fetch_optional(connection)
    .await?;
    slug.map(|slug| slug.parse().map_err(|source| corrupt("slug", source))).transpose()
}
