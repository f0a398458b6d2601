//! Slugs: what builds made.

use domain::build::Slug;
use domain::procfile::ProcessTypes;
use domain::{AppId, Digest, SlugId};
use jiff::Timestamp;

use crate::database::{Connection, Row};
use crate::ids::new_id;
use crate::rows::{Columns, all, as_integer, corrupt};
use crate::{Store, StoreError};

/// The verbs of slugs; see [`Store::slugs`].
pub struct Slugs<'a> {
    pub(crate) store: &'a Store,
}

/// A slug that is to be; the fields are those of [`Slug`].
#[derive(Debug, Clone)]
pub struct NewSlug {
    pub app: AppId,
    pub image: Digest,
    pub process_types: ProcessTypes,
    pub commit: Option<String>,
    pub commit_description: Option<String>,
    pub buildpack_provided_description: Option<String>,
    pub stack: String,
    pub size_bytes: u64,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, app, image, process_types, source_commit, commit_description,
                    buildpack_provided_description, stack, size_bytes, collected_at, created_at, updated_at
             FROM slugs ",
            $rest
        )
    };
}

impl Slugs<'_> {
    /// The image must be in the blob store for good by now.
    pub async fn create(&self, new: NewSlug, at: Timestamp) -> Result<Slug, StoreError> {
        let id = SlugId(new_id(at));
        let types = serde_json::to_string(&new.process_types).map_err(|source| corrupt("process_types", source))?;
        let mut transaction = self.store.begin().await?;
        sqlx::query(
            "INSERT INTO slugs (id, app, image, process_types, source_commit, commit_description,
                                buildpack_provided_description, stack, size_bytes, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10)",
        )
        .bind(id.to_string())
        .bind(new.app.to_string())
        .bind(new.image.to_string())
        .bind(types)
        .bind(new.commit)
        .bind(new.commit_description)
        .bind(new.buildpack_provided_description)
        .bind(new.stack)
        .bind(as_integer("size_bytes", new.size_bytes)?)
        .bind(at.as_microsecond())
        .execute(&mut *transaction)
        .await?;
        let slug = read(&mut transaction, id).await?;
        transaction.commit().await?;
        Ok(slug)
    }

    pub async fn by_id(&self, id: SlugId) -> Result<Option<Slug>, StoreError> {
        let row =
            sqlx::query(select!("WHERE id = $1")).bind(id.to_string()).fetch_optional(self.store.readers()).await?;
        row.as_ref().map(slug).transpose()
    }

    /// The oldest first.
    pub async fn list(&self, app: AppId) -> Result<Vec<Slug>, StoreError> {
        let rows = sqlx::query(select!("WHERE app = $1 ORDER BY id"))
            .bind(app.to_string())
            .fetch_all(self.store.readers())
            .await?;
        all(&rows, slug)
    }

    /// Of all apps, those that were not collected: their images are kept.
    pub async fn list_kept(&self) -> Result<Vec<Slug>, StoreError> {
        let rows = sqlx::query(select!("WHERE collected_at IS NULL ORDER BY id"));
        all(&rows.fetch_all(self.store.readers()).await?, slug)
    }
}

pub(crate) async fn read(connection: &mut Connection, id: SlugId) -> Result<Slug, StoreError> {
    let row = sqlx::query(select!("WHERE id = $1")).bind(id.to_string()).fetch_optional(connection).await?;
    slug(&row.ok_or(StoreError::Gone("slug"))?)
}

fn slug(row: &Row) -> Result<Slug, StoreError> {
    Ok(Slug {
        id: row.text("id")?,
        app: row.text("app")?,
        image: row.text("image")?,
        process_types: row.json("process_types")?,
        commit: row.maybe_string("source_commit")?,
        commit_description: row.maybe_string("commit_description")?,
        buildpack_provided_description: row.maybe_string("buildpack_provided_description")?,
        stack: row.string("stack")?,
        size_bytes: row.number("size_bytes")?,
        collected_at: row.maybe_time("collected_at")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    })
}
