//! Custom domains. A host name belongs to one app at a time.

use domain::app::Domain;
use domain::{AppId, DomainId, Hostname};
use jiff::Timestamp;

use crate::database::Row;
use crate::error::{from_database_error, is_taken};
use crate::ids::new_id;
use crate::rows::{Columns, all};
use crate::{Store, StoreError};

/// The verbs of domains; see [`Store::domains`].
pub struct Domains<'a> {
    pub(crate) store: &'a Store,
}

#[derive(Debug, thiserror::Error)]
pub enum AddDomainError {
    #[error("this host name belongs to an app already")]
    Taken,
    #[error(transparent)]
    Store(#[from] StoreError),
}
from_database_error!(AddDomainError);

macro_rules! select {
    ($rest:literal) => {
        concat!("SELECT id, app, hostname, created_at, updated_at FROM domains ", $rest)
    };
}

impl Domains<'_> {
    pub async fn add(&self, app: AppId, hostname: Hostname, at: Timestamp) -> Result<Domain, AddDomainError> {
        let id = DomainId(new_id(at));
        let mut transaction = self.store.begin().await?;
        sqlx::query("INSERT INTO domains (id, app, hostname, created_at, updated_at) VALUES ($1, $2, $3, $4, $4)")
            .bind(id.to_string())
            .bind(app.to_string())
            .bind(hostname.as_str())
            .bind(at.as_microsecond())
            .execute(&mut *transaction)
            .await
            .map_err(|error| if is_taken(&error) { AddDomainError::Taken } else { error.into() })?;
        let row = sqlx::query(select!("WHERE id = $1")).bind(id.to_string()).fetch_one(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(domain(&row)?)
    }

    /// In the order in which they were added.
    pub async fn list(&self, app: AppId) -> Result<Vec<Domain>, StoreError> {
        let rows = sqlx::query(select!("WHERE app = $1 ORDER BY id"))
            .bind(app.to_string())
            .fetch_all(self.store.readers())
            .await?;
        all(&rows, domain)
    }

    /// Of all apps.
    pub async fn list_all(&self) -> Result<Vec<Domain>, StoreError> {
        all(&sqlx::query(select!("ORDER BY id")).fetch_all(self.store.readers()).await?, domain)
    }

    /// By id or host name, in any case of letters.
    pub async fn find(&self, app: AppId, id_or_hostname: &str) -> Result<Option<Domain>, StoreError> {
        let row = sqlx::query(select!("WHERE app = $1 AND (id = $2 OR hostname = $2)"))
            .bind(app.to_string())
            .bind(id_or_hostname.to_ascii_lowercase())
            .fetch_optional(self.store.readers())
            .await?;
        row.as_ref().map(domain).transpose()
    }

    /// Whether there was one to remove.
    pub async fn remove(&self, id: DomainId) -> Result<bool, StoreError> {
        let done =
            sqlx::query("DELETE FROM domains WHERE id = $1").bind(id.to_string()).execute(self.store.writer()).await?;
        Ok(done.rows_affected() > 0)
    }
}

fn domain(row: &Row) -> Result<Domain, StoreError> {
    Ok(Domain {
        id: row.text("id")?,
        app: row.text("app")?,
        hostname: row.text("hostname")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    })
}
