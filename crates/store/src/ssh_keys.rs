//! The public SSH keys of accounts.

use domain::ssh_key::{SshKey, SshPublicKey};
use domain::{AccountId, SshKeyId};
use jiff::Timestamp;

use crate::database::Row;
use crate::error::{from_database_error, is_taken};
use crate::ids::new_id;
use crate::rows::{Columns, all};
use crate::{Store, StoreError};

/// The verbs of SSH keys; see [`Store::ssh_keys`].
pub struct SshKeys<'a> {
    pub(crate) store: &'a Store,
}

#[derive(Debug, thiserror::Error)]
pub enum AddSshKeyError {
    #[error("the account has this key already")]
    Already,
    #[error(transparent)]
    Store(#[from] StoreError),
}
from_database_error!(AddSshKeyError);

macro_rules! select {
    ($rest:literal) => {
        concat!("SELECT id, account, public_key, fingerprint, created_at, updated_at FROM ssh_keys ", $rest)
    };
}

impl SshKeys<'_> {
    pub async fn add(
        &self,
        account: AccountId,
        public_key: &SshPublicKey,
        fingerprint: &str,
        at: Timestamp,
    ) -> Result<SshKey, AddSshKeyError> {
        let id = SshKeyId(new_id(at));
        let mut transaction = self.store.begin().await?;
        sqlx::query(
            "INSERT INTO ssh_keys (id, account, public_key, fingerprint, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $5)",
        )
        .bind(id.to_string())
        .bind(account.to_string())
        .bind(public_key.to_string())
        .bind(fingerprint)
        .bind(at.as_microsecond())
        .execute(&mut *transaction)
        .await
        .map_err(|error| if is_taken(&error) { AddSshKeyError::Already } else { error.into() })?;
        let row = sqlx::query(select!("WHERE id = $1")).bind(id.to_string()).fetch_one(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(ssh_key(&row)?)
    }

    /// In the order in which they were added.
    pub async fn list(&self, account: AccountId) -> Result<Vec<SshKey>, StoreError> {
        let rows = sqlx::query(select!("WHERE account = $1 ORDER BY id"))
            .bind(account.to_string())
            .fetch_all(self.store.readers())
            .await?;
        all(&rows, ssh_key)
    }

    /// Whether there was one to remove.
    pub async fn remove(&self, id: SshKeyId) -> Result<bool, StoreError> {
        let done =
            sqlx::query("DELETE FROM ssh_keys WHERE id = $1").bind(id.to_string()).execute(self.store.writer()).await?;
        Ok(done.rows_affected() > 0)
    }
}

fn ssh_key(row: &Row) -> Result<SshKey, StoreError> {
    Ok(SshKey {
        id: row.text("id")?,
        account: row.text("account")?,
        public_key: row.text("public_key")?,
        fingerprint: row.string("fingerprint")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    })
}
