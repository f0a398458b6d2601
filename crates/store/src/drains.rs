//! Log drains.

use domain::app::Drain;
use domain::{AppId, DrainId};
use jiff::Timestamp;

use crate::database::Row;
use crate::error::{from_database_error, is_taken};
use crate::ids::new_id;
use crate::rows::{Columns, all};
use crate::{Store, StoreError};

/// The verbs of log drains; see [`Store::drains`].
pub struct Drains<'a> {
    pub(crate) store: &'a Store,
}

#[derive(Debug, thiserror::Error)]
pub enum AddDrainError {
    #[error("the app has a drain to this URL already")]
    Taken,
    #[error(transparent)]
    Store(#[from] StoreError),
}
from_database_error!(AddDrainError);

macro_rules! select {
    ($rest:literal) => {
        concat!("SELECT id, app, url, token, created_at, updated_at FROM drains ", $rest)
    };
}

impl Drains<'_> {
    /// `token`: `d.<uuid>`, the drain's name in what is delivered.
    pub async fn add(&self, app: AppId, url: &str, token: &str, at: Timestamp) -> Result<Drain, AddDrainError> {
        let id = DrainId(new_id(at));
        let mut transaction = self.store.begin().await?;
        sqlx::query("INSERT INTO drains (id, app, url, token, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $5)")
            .bind(id.to_string())
            .bind(app.to_string())
            .bind(url)
            .bind(token)
            .bind(at.as_microsecond())
            .execute(&mut *transaction)
            .await
            .map_err(|error| if is_taken(&error) { AddDrainError::Taken } else { error.into() })?;
        let row = sqlx::query(select!("WHERE id = $1")).bind(id.to_string()).fetch_one(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(drain(&row)?)
    }

    /// In the order in which they were added.
    pub async fn list(&self, app: AppId) -> Result<Vec<Drain>, StoreError> {
        let rows = sqlx::query(select!("WHERE app = $1 ORDER BY id"))
            .bind(app.to_string())
            .fetch_all(self.store.readers())
            .await?;
        all(&rows, drain)
    }

    /// Of all apps.
    pub async fn list_all(&self) -> Result<Vec<Drain>, StoreError> {
        all(&sqlx::query(select!("ORDER BY id")).fetch_all(self.store.readers()).await?, drain)
    }

    /// By id, URL or token.
    pub async fn find(&self, app: AppId, id_url_or_token: &str) -> Result<Option<Drain>, StoreError> {
        let row = sqlx::query(select!("WHERE app = $1 AND (id = $2 OR url = $2 OR token = $2)"))
            .bind(app.to_string())
            .bind(id_url_or_token)
            .fetch_optional(self.store.readers())
            .await?;
        row.as_ref().map(drain).transpose()
    }

    /// Whether there was one to remove.
    pub async fn remove(&self, id: DrainId) -> Result<bool, StoreError> {
        let done =
            sqlx::query("DELETE FROM drains WHERE id = $1").bind(id.to_string()).execute(self.store.writer()).await?;
        Ok(done.rows_affected() > 0)
    }
}

fn drain(row: &Row) -> Result<Drain, StoreError> {
    Ok(Drain {
        id: row.text("id")?,
        app: row.text("app")?,
        url: row.string("url")?,
        token: row.string("token")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    })
}
