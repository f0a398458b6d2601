//! Builds.

use domain::build::{Build, BuildEvent, BuildRefused, BuildState};
use domain::buildpack::BuildpackRef;
use domain::{AccountId, AppId, BuildId, ReleaseId, SlugId};
use jiff::Timestamp;

use crate::buildpacks::parse;
use crate::database::{Connection, Row};
use crate::error::from_database_error;
use crate::ids::new_id;
use crate::rows::{Columns, all, corrupt};
use crate::{Store, StoreError};

/// The verbs of builds; see [`Store::builds`].
pub struct Builds<'a> {
    pub(crate) store: &'a Store,
}

/// A build that is to be; the fields are those of [`Build`].
#[derive(Debug, Clone)]
pub struct NewBuild {
    pub app: AppId,
    pub user: AccountId,
    pub stack: String,
    pub buildpacks: Vec<BuildpackRef>,
    pub source_version: Option<String>,
    pub source_description: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum FinishBuildError {
    /// It has ended already.
    #[error(transparent)]
    Refused(#[from] BuildRefused),
    #[error(transparent)]
    Store(#[from] StoreError),
}
from_database_error!(FinishBuildError);

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, app, created_by, state, stack, buildpacks, source_version, source_description, slug, release,
                    created_at, updated_at
             FROM builds ",
            $rest
        )
    };
}

impl Builds<'_> {
    /// A pending build.
    pub async fn create(&self, new: NewBuild, at: Timestamp) -> Result<Build, StoreError> {
        let id = BuildId(new_id(at));
        let mut transaction = self.store.begin().await?;
        sqlx::query(
            "INSERT INTO builds (id, app, created_by, state, stack, buildpacks, source_version, source_description,
                                 created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)",
        )
        .bind(id.to_string())
        .bind(new.app.to_string())
        .bind(new.user.to_string())
        .bind(BuildState::Pending.name())
        .bind(new.stack)
        .bind(as_json(&new.buildpacks)?)
        .bind(new.source_version)
        .bind(new.source_description)
        .bind(at.as_microsecond())
        .execute(&mut *transaction)
        .await?;
        let build = read(&mut transaction, id).await?;
        transaction.commit().await?;
        Ok(build)
    }

    /// Notes the end of a build and what it led to.
    pub async fn finish(
        &self,
        id: BuildId,
        event: BuildEvent,
        slug: Option<SlugId>,
        release: Option<ReleaseId>,
        at: Timestamp,
    ) -> Result<Build, FinishBuildError> {
        let mut transaction = self.store.begin().await?;
        let state = read(&mut transaction, id).await?.state.after(event)?;
        sqlx::query("UPDATE builds SET state = $2, slug = $3, release = $4, updated_at = $5 WHERE id = $1")
            .bind(id.to_string())
            .bind(state.name())
            .bind(slug.map(|slug| slug.to_string()))
            .bind(release.map(|release| release.to_string()))
            .bind(at.as_microsecond())
            .execute(&mut *transaction)
            .await?;
        let build = read(&mut transaction, id).await?;
        transaction.commit().await?;
        Ok(build)
    }

    /// The buildpacks that turned out to fit the source.
    pub async fn set_buildpacks(
        &self,
        id: BuildId,
        buildpacks: &[BuildpackRef],
        at: Timestamp,
    ) -> Result<Build, StoreError> {
        let mut transaction = self.store.begin().await?;
        sqlx::query("UPDATE builds SET buildpacks = $2, updated_at = $3 WHERE id = $1")
            .bind(id.to_string())
            .bind(as_json(buildpacks)?)
            .bind(at.as_microsecond())
            .execute(&mut *transaction)
            .await?;
        let build = read(&mut transaction, id).await?;
        transaction.commit().await?;
        Ok(build)
    }

    pub async fn by_id(&self, id: BuildId) -> Result<Option<Build>, StoreError> {
        let row =
            sqlx::query(select!("WHERE id = $1")).bind(id.to_string()).fetch_optional(self.store.readers()).await?;
        row.as_ref().map(build).transpose()
    }

    /// The oldest first.
    pub async fn list(&self, app: AppId) -> Result<Vec<Build>, StoreError> {
        let rows = sqlx::query(select!("WHERE app = $1 ORDER BY id"))
            .bind(app.to_string())
            .fetch_all(self.store.readers())
            .await?;
        all(&rows, build)
    }

    /// Of all apps: those that have not ended, the oldest first.
    pub async fn pending(&self) -> Result<Vec<Build>, StoreError> {
        let rows = sqlx::query(select!("WHERE state = 'pending' ORDER BY id")).fetch_all(self.store.readers()).await?;
        all(&rows, build)
    }
}

fn as_json(buildpacks: &[BuildpackRef]) -> Result<String, StoreError> {
    let texts: Vec<&str> = buildpacks.iter().map(BuildpackRef::as_str).collect();
    serde_json::to_string(&texts).map_err(|source| corrupt("buildpacks", source))
}

async fn read(connection: &mut Connection, id: BuildId) -> Result<Build, StoreError> {
    let row = sqlx::query(select!("WHERE id = $1")).bind(id.to_string()).fetch_optional(connection).await?;
    build(&row.ok_or(StoreError::Gone("build"))?)
}

fn build(row: &Row) -> Result<Build, StoreError> {
    let buildpacks: Vec<String> = row.json("buildpacks")?;
    Ok(Build {
        id: row.text("id")?,
        app: row.text("app")?,
        user: row.text("created_by")?,
        state: match row.string("state")?.as_str() {
            "pending" => BuildState::Pending,
            "succeeded" => BuildState::Succeeded,
            "failed" => BuildState::Failed,
            other => return Err(corrupt("state", other)),
        },
        stack: row.string("stack")?,
        buildpacks: buildpacks.iter().map(|text| parse(text)).collect::<Result<_, _>>()?,
        source_version: row.maybe_string("source_version")?,
        source_description: row.maybe_string("source_description")?,
        slug: row.maybe_text("slug")?,
        release: row.maybe_text("release")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    })
}
