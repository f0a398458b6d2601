//! Releases: numbered without gaps, never changed but in their state.

use std::collections::BTreeMap;

use domain::config::InvalidConfig;
use domain::release::{Release, ReleaseEvent, ReleaseRefused, ReleaseState};
use domain::{AccountId, AppId, ConfigKey, ConfigVars, ProcessType, ReleaseId, SlugId};
use jiff::Timestamp;

use crate::database::{Connection, Row};
use crate::error::from_database_error;
use crate::next_release::{insert, latest_config, latest_slug};
use crate::rows::{Columns, all, corrupt};
use crate::{Store, StoreError, config, going_live, slugs};

/// The verbs of releases; see [`Store::releases`].
pub struct Releases<'a> {
    pub(crate) store: &'a Store,
}

/// A release that is to be.
#[derive(Debug, Clone)]
pub struct NewRelease<'a> {
    pub app: AppId,
    /// One of the app's own slugs.
    pub slug: Option<SlugId>,
    pub config: &'a ConfigVars,
    pub user: AccountId,
    pub description: String,
    /// Whether a release command is to run before it goes live.
    pub has_phase: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum ChangeConfigError {
    #[error(transparent)]
    Invalid(#[from] InvalidConfig),
    #[error(transparent)]
    Store(#[from] StoreError),
}
from_database_error!(ChangeConfigError);

#[derive(Debug, thiserror::Error)]
pub enum FinishReleaseError {
    /// Its release phase has ended already.
    #[error(transparent)]
    Refused(#[from] ReleaseRefused),
    #[error(transparent)]
    Store(#[from] StoreError),
}
from_database_error!(FinishReleaseError);

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, app, version, slug, created_by, description, state, is_current, has_phase,
                    created_at, updated_at,
                    (SELECT slugs.collected_at FROM slugs WHERE slugs.id = releases.slug) AS collected_at
             FROM releases ",
            $rest
        )
    };
}

impl Releases<'_> {
    /// The next release with exactly this slug and config (a rollback). It is
    /// live at once, or pending if it has a phase.
    pub async fn create(&self, new: NewRelease<'_>, at: Timestamp) -> Result<Release, StoreError> {
        let mut transaction = self.store.begin().await?;
        let release = insert(&mut transaction, self.store.keys(), &new, at).await?;
        transaction.commit().await?;
        Ok(release)
    }

    /// The next release with this slug and the config vars of the latest
    /// release, read under the same lock: a change of config vars during the
    /// build is not lost.
    pub async fn deploy(
        &self,
        app: AppId,
        slug: SlugId,
        user: AccountId,
        description: &str,
        has_phase: bool,
        at: Timestamp,
    ) -> Result<(Release, ConfigVars), StoreError> {
        let mut transaction = self.store.begin().await?;
        let vars = latest_config(&mut transaction, self.store.keys(), app).await?;
        let description = description.to_owned();
        let new = NewRelease { app, slug: Some(slug), config: &vars, user, description, has_phase };
        let release = insert(&mut transaction, self.store.keys(), &new, at).await?;
        transaction.commit().await?;
        Ok((release, vars))
    }

    /// The next release with the config vars of the latest one and `changes`
    /// (`None` removes), and the code of the latest one that has not failed;
    /// or, if only a failed one has code, of that.
    /// Read and written under one lock, so of two changes at the same time
    /// both hold. If the code declares a release command, it is to run first.
    pub async fn with_config_change(
        &self,
        app: AppId,
        changes: &BTreeMap<ConfigKey, Option<String>>,
        user: AccountId,
        description: &str,
        at: Timestamp,
    ) -> Result<(Release, ConfigVars), ChangeConfigError> {
        let mut transaction = self.store.begin().await?;
        let vars = latest_config(&mut transaction, self.store.keys(), app).await?.with(changes)?;
        let slug = latest_slug(&mut transaction, app).await?;
        let has_phase = match slug {
            Some(slug) => {
                slugs::read(&mut transaction, slug).await?.process_types.contains_key(&ProcessType::release())
            }
            None => false,
        };
        let new = NewRelease { app, slug, config: &vars, user, description: description.to_owned(), has_phase };
        let release = insert(&mut transaction, self.store.keys(), &new, at).await?;
        transaction.commit().await?;
        Ok((release, vars))
    }

    /// Notes the end of a release phase. A release that passed goes live,
    /// unless a newer one is live already.
    pub async fn finish(
        &self,
        id: ReleaseId,
        event: ReleaseEvent,
        at: Timestamp,
    ) -> Result<Release, FinishReleaseError> {
        let mut transaction = self.store.begin().await?;
        let before = read(&mut transaction, id).await?;
        let state = before.state.after(event)?;
        sqlx::query("UPDATE releases SET state = $2, updated_at = $3 WHERE id = $1")
            .bind(id.to_string())
            .bind(state.name())
            .bind(at.as_microsecond())
            .execute(&mut *transaction)
            .await?;
        if state == ReleaseState::Succeeded {
            let current: Option<i64> = sqlx::query_scalar("SELECT version FROM releases WHERE app = $1 AND is_current")
                .bind(before.app.to_string())
                .fetch_optional(&mut *transaction)
                .await?;
            if current.is_none_or(|current| current < i64::from(before.version)) {
                going_live::go_live(&mut transaction, &before, at).await?;
            }
        }
        let after = read(&mut transaction, id).await?;
        transaction.commit().await?;
        Ok(after)
    }

    /// The newest first.
    pub async fn list(&self, app: AppId) -> Result<Vec<Release>, StoreError> {
        let rows = sqlx::query(select!("WHERE app = $1 ORDER BY version DESC"))
            .bind(app.to_string())
            .fetch_all(self.store.readers())
            .await?;
        all(&rows, release)
    }

    pub async fn by_version(&self, app: AppId, version: u32) -> Result<Option<Release>, StoreError> {
        let row = sqlx::query(select!("WHERE app = $1 AND version = $2"))
            .bind(app.to_string())
            .bind(version)
            .fetch_optional(self.store.readers())
            .await?;
        row.as_ref().map(release).transpose()
    }

    pub async fn by_id(&self, id: ReleaseId) -> Result<Option<Release>, StoreError> {
        let row =
            sqlx::query(select!("WHERE id = $1")).bind(id.to_string()).fetch_optional(self.store.readers()).await?;
        row.as_ref().map(release).transpose()
    }

    /// The one that is live; `None` only if there is no such app.
    pub async fn current(&self, app: AppId) -> Result<Option<Release>, StoreError> {
        let row = sqlx::query(select!("WHERE app = $1 AND is_current"))
            .bind(app.to_string())
            .fetch_optional(self.store.readers())
            .await?;
        row.as_ref().map(release).transpose()
    }

    /// Of all apps: those whose release phase has not ended, the oldest first.
    pub async fn pending(&self) -> Result<Vec<Release>, StoreError> {
        let rows = sqlx::query(select!("WHERE state = 'pending' ORDER BY id")).fetch_all(self.store.readers()).await?;
        all(&rows, release)
    }

    /// Fails with [`StoreError::Gone`] if there is no such release.
    pub async fn config(&self, id: ReleaseId) -> Result<ConfigVars, StoreError> {
        config::read(self.store.readers(), self.store.keys(), id).await
    }

    /// What `config` shows and the next release begins with: the config vars
    /// of the latest release, whatever came of it.
    pub async fn current_config(&self, app: AppId) -> Result<ConfigVars, StoreError> {
        let mut connection = self.store.readers().acquire().await?;
        latest_config(&mut connection, self.store.keys(), app).await
    }
}

/// All of an app, in no order.
pub(crate) async fn read_all(connection: &mut Connection, app: AppId) -> Result<Vec<Release>, StoreError> {
    all(&sqlx::query(select!("WHERE app = $1")).bind(app.to_string()).fetch_all(connection).await?, release)
}

pub(crate) async fn read(connection: &mut Connection, id: ReleaseId) -> Result<Release, StoreError> {
    let row = sqlx::query(select!("WHERE id = $1")).bind(id.to_string()).fetch_optional(connection).await?;
    release(&row.ok_or(StoreError::Gone("release"))?)
}

/// A release has the state that was written, and expires with its slug.
fn release(row: &Row) -> Result<Release, StoreError> {
    let written = match row.string("state")?.as_str() {
        "pending" => ReleaseState::Pending,
        "succeeded" => ReleaseState::Succeeded,
        "failed" => ReleaseState::Failed,
        other => return Err(corrupt("state", other)),
    };
    let state = match row.maybe_time("collected_at")? {
        Some(_) => written.after(ReleaseEvent::SlugCollected).map_err(|source| corrupt("collected_at", source))?,
        None => written,
    };
    Ok(Release {
        id: row.text("id")?,
        app: row.text("app")?,
        version: row.number("version")?,
        slug: row.maybe_text("slug")?,
        user: row.text("created_by")?,
        description: row.string("description")?,
        state,
        current: row.flag("is_current")?,
        has_phase: row.flag("has_phase")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    })
}
