//! What changes in the rows when a release goes live.

use domain::build::Slug;
use domain::release::Release;
use domain::{AppId, DynoSize, FormationId, ProcessType};
use jiff::Timestamp;

use crate::database::Connection;
use crate::ids::new_id;
use crate::rows::{all, as_integer};
use crate::{StoreError, formation, slugs};

/// Makes a release that has succeeded the current one of its app. If it has
/// code, the formation follows the code's process types.
pub(crate) async fn go_live(connection: &mut Connection, release: &Release, at: Timestamp) -> Result<(), StoreError> {
    sqlx::query("UPDATE releases SET is_current = $2 WHERE app = $1 AND is_current")
        .bind(release.app.to_string())
        .bind(false)
        .execute(&mut *connection)
        .await?;
    sqlx::query("UPDATE releases SET is_current = $2 WHERE id = $1")
        .bind(release.id.to_string())
        .bind(true)
        .execute(&mut *connection)
        .await?;
    let Some(slug) = release.slug else { return Ok(()) };
    let slug = slugs::read(connection, slug).await?;
    let deployed_before: Option<i64> = sqlx::query_scalar("SELECT released_at FROM apps WHERE id = $1")
        .bind(release.app.to_string())
        .fetch_one(&mut *connection)
        .await?;
    follow_process_types(connection, release.app, &slug, deployed_before.is_none(), at).await?;
    sqlx::query(
        "UPDATE apps SET stack = $2, slug_size_bytes = $3, buildpack_provided_description = $4,
                         released_at = $5, updated_at = $5
         WHERE id = $1",
    )
    .bind(release.app.to_string())
    .bind(&slug.stack)
    .bind(as_integer("slug_size_bytes", slug.size_bytes)?)
    .bind(&slug.buildpack_provided_description)
    .bind(at.as_microsecond())
    .execute(connection)
    .await?;
    Ok(())
}

/// Types that the code no longer has leave the formation, new ones come in
/// with no dynos (but `web` with one at the first deploy), and those that stay
/// keep quantity and size.
async fn follow_process_types(
    connection: &mut Connection,
    app: AppId,
    slug: &Slug,
    is_first_deploy: bool,
    at: Timestamp,
) -> Result<(), StoreError> {
    let rows =
        sqlx::query(formation::select!("WHERE app = $1")).bind(app.to_string()).fetch_all(&mut *connection).await?;
    let entries = all(&rows, formation::formation)?;
    // `release` is among them, at a quantity of 0: clients look here for whether there is one.
    let types = || slug.process_types.iter().filter(|(process_type, _)| **process_type != ProcessType::run());
    for entry in &entries {
        match types().find(|(process_type, _)| **process_type == entry.process_type) {
            None => {
                sqlx::query("DELETE FROM formation WHERE id = $1")
                    .bind(entry.id.to_string())
                    .execute(&mut *connection)
                    .await?;
            }
            Some((_, command)) if *command != entry.command => {
                sqlx::query("UPDATE formation SET command = $2, updated_at = $3 WHERE id = $1")
                    .bind(entry.id.to_string())
                    .bind(command)
                    .bind(at.as_microsecond())
                    .execute(&mut *connection)
                    .await?;
            }
            Some(_) => {}
        }
    }
    for (process_type, command) in types() {
        if entries.iter().all(|entry| entry.process_type != *process_type) {
            let quantity = u32::from(is_first_deploy && process_type.is_web());
            insert(connection, app, process_type, command, quantity, at).await?;
        }
    }
    Ok(())
}

async fn insert(
    connection: &mut Connection,
    app: AppId,
    process_type: &ProcessType,
    command: &str,
    quantity: u32,
    at: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO formation (id, app, process_type, command, quantity, size, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $7)",
    )
    .bind(FormationId(new_id(at)).to_string())
    .bind(app.to_string())
    .bind(process_type.as_str())
    .bind(command)
    .bind(quantity)
    .bind(DynoSize::DEFAULT.name())
    .bind(at.as_microsecond())
    .execute(connection)
    .await?;
    Ok(())
}
