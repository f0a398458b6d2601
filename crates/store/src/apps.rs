//! Apps.

use domain::{AccountId, App, AppId, AppName, ConfigVars};
use jiff::Timestamp;
use sqlx::query::Query;
use sqlx::sqlite::SqliteArguments;

use crate::database::{Connection, Row};
use crate::error::{from_database_error, is_taken};
use crate::ids::new_id;
use crate::next_release;
use crate::releases::NewRelease;
use crate::rows::{Columns, all, as_integer};
use crate::{Store, StoreError};

/// The verbs of apps; see [`Store::apps`].
pub struct Apps<'a> {
    pub(crate) store: &'a Store,
}

/// An app that is to be.
#[derive(Debug, Clone)]
pub struct NewApp {
    pub name: AppName,
    pub owner: AccountId,
    /// The stack that builds will use.
    pub stack: String,
}

#[derive(Debug, thiserror::Error)]
pub enum CreateAppError {
    #[error("there is an app of this name already")]
    NameTaken,
    #[error(transparent)]
    Store(#[from] StoreError),
}
from_database_error!(CreateAppError);

#[derive(Debug, thiserror::Error)]
pub enum RenameError {
    #[error("there is an app of this name already")]
    NameTaken,
    #[error(transparent)]
    Store(#[from] StoreError),
}
from_database_error!(RenameError);

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT apps.id, apps.name, owner, accounts.email AS owner_email, build_stack, stack, maintenance,
                    slug_size_bytes, repo_size_bytes, buildpack_provided_description,
                    apps.created_at, apps.updated_at, released_at
             FROM apps JOIN accounts ON accounts.id = owner ",
            $rest
        )
    };
}

impl Apps<'_> {
    /// Makes the app and its release v1, which has no code and no config vars.
    pub async fn create(&self, new: NewApp, at: Timestamp) -> Result<App, CreateAppError> {
        let id = AppId(new_id(at));
        let mut transaction = self.store.begin().await?;
        sqlx::query(
            "INSERT INTO apps (id, name, owner, build_stack, stack, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $4, $5, $5)",
        )
        .bind(id.to_string())
        .bind(new.name.as_str())
        .bind(new.owner.to_string())
        .bind(new.stack)
        .bind(at.as_microsecond())
        .execute(&mut *transaction)
        .await
        .map_err(|error| if is_taken(&error) { CreateAppError::NameTaken } else { error.into() })?;
        let first = NewRelease {
            app: id,
            slug: None,
            config: &ConfigVars::default(),
            user: new.owner,
            description: "Initial release".to_owned(),
            has_phase: false,
        };
        next_release::insert(&mut transaction, self.store.keys(), &first, at).await?;
        let app = read(&mut transaction, id).await?;
        transaction.commit().await?;
        Ok(app)
    }

    pub async fn by_id(&self, id: AppId) -> Result<Option<App>, StoreError> {
        let row = sqlx::query(select!("WHERE apps.id = $1"))
            .bind(id.to_string())
            .fetch_optional(self.store.readers())
            .await?;
        row.as_ref().map(app).transpose()
    }

    pub async fn by_name(&self, name: &AppName) -> Result<Option<App>, StoreError> {
        let row = sqlx::query(select!("WHERE apps.name = $1"))
            .bind(name.as_str())
            .fetch_optional(self.store.readers())
            .await?;
        row.as_ref().map(app).transpose()
    }

    /// The apps that an account owns or is a collaborator of, by id.
    pub async fn list_visible_to(&self, account: AccountId) -> Result<Vec<App>, StoreError> {
        let rows = sqlx::query(select!(
            "WHERE owner = $1 OR apps.id IN (SELECT app FROM collaborators WHERE account = $1) ORDER BY apps.id"
        ))
        .bind(account.to_string())
        .fetch_all(self.store.readers())
        .await?;
        all(&rows, app)
    }

    /// By id.
    pub async fn list_all(&self) -> Result<Vec<App>, StoreError> {
        all(&sqlx::query(select!("ORDER BY apps.id")).fetch_all(self.store.readers()).await?, app)
    }

    /// Fails with [`StoreError::Gone`] if there is no such app.
    pub async fn rename(&self, id: AppId, name: AppName, at: Timestamp) -> Result<App, RenameError> {
        let mut transaction = self.store.begin().await?;
        sqlx::query("UPDATE apps SET name = $2, updated_at = $3 WHERE id = $1")
            .bind(id.to_string())
            .bind(name.as_str())
            .bind(at.as_microsecond())
            .execute(&mut *transaction)
            .await
            .map_err(|error| if is_taken(&error) { RenameError::NameTaken } else { error.into() })?;
        let app = read(&mut transaction, id).await?;
        transaction.commit().await?;
        Ok(app)
    }

    /// Fails with [`StoreError::Gone`] if there is no such app; so do the next two.
    pub async fn set_maintenance(&self, id: AppId, maintenance: bool, at: Timestamp) -> Result<App, StoreError> {
        let set = sqlx::query("UPDATE apps SET maintenance = $3, updated_at = $2 WHERE id = $1");
        self.update(id, at, |query| query.bind(maintenance), set).await
    }

    /// The stack that the next build uses.
    pub async fn set_build_stack(&self, id: AppId, stack: &str, at: Timestamp) -> Result<App, StoreError> {
        let set = sqlx::query("UPDATE apps SET build_stack = $3, updated_at = $2 WHERE id = $1");
        let stack = stack.to_owned();
        self.update(id, at, |query| query.bind(stack), set).await
    }

    pub async fn set_repo_size(&self, id: AppId, size_bytes: u64, at: Timestamp) -> Result<App, StoreError> {
        let size = as_integer("repo_size_bytes", size_bytes)?;
        let set = sqlx::query("UPDATE apps SET repo_size_bytes = $3, updated_at = $2 WHERE id = $1");
        self.update(id, at, |query| query.bind(size), set).await
    }

    /// Deletes the app and all that hangs on it, its numbers of releases too;
    /// tells whether there was one.
    pub async fn destroy(&self, id: AppId) -> Result<bool, StoreError> {
        let done =
            sqlx::query("DELETE FROM apps WHERE id = $1").bind(id.to_string()).execute(self.store.writer()).await?;
        Ok(done.rows_affected() > 0)
    }

    async fn update<'q>(
        &self,
        id: AppId,
        at: Timestamp,
        value: impl FnOnce(Set<'q>) -> Set<'q>,
        set: Set<'q>,
    ) -> Result<App, StoreError> {
        let mut transaction = self.store.begin().await?;
        value(set.bind(id.to_string()).bind(at.as_microsecond())).execute(&mut *transaction).await?;
        let app = read(&mut transaction, id).await?;
        transaction.commit().await?;
        Ok(app)
    }
}

type Set<'q> = Query<'q, sqlx::Sqlite, SqliteArguments>;

async fn read(connection: &mut Connection, id: AppId) -> Result<App, StoreError> {
    let row = sqlx::query(select!("WHERE apps.id = $1")).bind(id.to_string()).fetch_optional(connection).await?;
    app(&row.ok_or(StoreError::Gone("app"))?)
}

fn app(row: &Row) -> Result<App, StoreError> {
    Ok(App {
        id: row.text("id")?,
        name: row.text("name")?,
        owner: row.text("owner")?,
        owner_email: row.text("owner_email")?,
        build_stack: row.string("build_stack")?,
        stack: row.string("stack")?,
        maintenance: row.flag("maintenance")?,
        slug_size_bytes: row.maybe_number("slug_size_bytes")?,
        repo_size_bytes: row.maybe_number("repo_size_bytes")?,
        buildpack_provided_description: row.maybe_string("buildpack_provided_description")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
        released_at: row.maybe_time("released_at")?,
    })
}
