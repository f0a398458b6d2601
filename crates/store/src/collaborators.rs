//! Collaborators: accounts beside the owner that may use an app.

use domain::app::Collaborator;
use domain::{AccountId, AppId, CollaboratorId};
use jiff::Timestamp;

use crate::database::Row;
use crate::error::{from_database_error, is_taken};
use crate::ids::new_id;
use crate::rows::{Columns, all};
use crate::{Store, StoreError};

/// The verbs of collaborators; see [`Store::collaborators`].
pub struct Collaborators<'a> {
    pub(crate) store: &'a Store,
}

#[derive(Debug, thiserror::Error)]
pub enum AddCollaboratorError {
    #[error("this account is a collaborator already")]
    Already,
    #[error(transparent)]
    Store(#[from] StoreError),
}
from_database_error!(AddCollaboratorError);

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT collaborators.id, app, account, accounts.email,
                    collaborators.created_at, collaborators.updated_at
             FROM collaborators JOIN accounts ON accounts.id = account ",
            $rest
        )
    };
}

impl Collaborators<'_> {
    pub async fn add(
        &self,
        app: AppId,
        account: AccountId,
        at: Timestamp,
    ) -> Result<Collaborator, AddCollaboratorError> {
        let id = CollaboratorId(new_id(at));
        let mut transaction = self.store.begin().await?;
        sqlx::query("INSERT INTO collaborators (id, app, account, created_at, updated_at) VALUES ($1, $2, $3, $4, $4)")
            .bind(id.to_string())
            .bind(app.to_string())
            .bind(account.to_string())
            .bind(at.as_microsecond())
            .execute(&mut *transaction)
            .await
            .map_err(|error| if is_taken(&error) { AddCollaboratorError::Already } else { error.into() })?;
        let row = sqlx::query(select!("WHERE collaborators.id = $1"))
            .bind(id.to_string())
            .fetch_one(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(collaborator(&row)?)
    }

    /// In the order in which they were added, without the owner.
    pub async fn list(&self, app: AppId) -> Result<Vec<Collaborator>, StoreError> {
        let rows = sqlx::query(select!("WHERE app = $1 ORDER BY collaborators.id"))
            .bind(app.to_string())
            .fetch_all(self.store.readers())
            .await?;
        all(&rows, collaborator)
    }

    /// By the collaborator's id, or the account's e-mail address or id.
    pub async fn find(&self, app: AppId, id_or_email: &str) -> Result<Option<Collaborator>, StoreError> {
        let row =
            sqlx::query(select!("WHERE app = $1 AND (collaborators.id = $2 OR account = $2 OR accounts.email = $2)"))
                .bind(app.to_string())
                .bind(id_or_email.to_lowercase())
                .fetch_optional(self.store.readers())
                .await?;
        row.as_ref().map(collaborator).transpose()
    }

    /// Whether there was one to remove.
    pub async fn remove(&self, id: CollaboratorId) -> Result<bool, StoreError> {
        let done = sqlx::query("DELETE FROM collaborators WHERE id = $1")
            .bind(id.to_string())
            .execute(self.store.writer())
            .await?;
        Ok(done.rows_affected() > 0)
    }

    pub async fn is_collaborator(&self, app: AppId, account: AccountId) -> Result<bool, StoreError> {
        let row = sqlx::query("SELECT 1 FROM collaborators WHERE app = $1 AND account = $2")
            .bind(app.to_string())
            .bind(account.to_string())
            .fetch_optional(self.store.readers())
            .await?;
        Ok(row.is_some())
    }
}

fn collaborator(row: &Row) -> Result<Collaborator, StoreError> {
    Ok(Collaborator {
        id: row.text("id")?,
        app: row.text("app")?,
        account: row.text("account")?,
        email: row.text("email")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    })
}
