//! Accounts and their passwords.

use domain::account::Account;
use domain::{AccountId, Email, Secret};
use jiff::Timestamp;

use crate::database::{Connection, Row};
use crate::error::{from_database_error, is_taken};
use crate::ids::new_id;
use crate::rows::{Columns, all};
use crate::{Store, StoreError};

/// The verbs of accounts; see [`Store::accounts`].
pub struct Accounts<'a> {
    pub(crate) store: &'a Store,
}

#[derive(Debug, thiserror::Error)]
pub enum CreateAccountError {
    #[error("there is an account with this e-mail address already")]
    EmailTaken,
    #[error(transparent)]
    Store(#[from] StoreError),
}
from_database_error!(CreateAccountError);

macro_rules! select {
    ($rest:literal) => {
        concat!("SELECT id, email, name, is_operator, created_at, updated_at FROM accounts ", $rest)
    };
}

impl Accounts<'_> {
    /// Without a password no one can log in by password.
    pub async fn create(
        &self,
        email: &Email,
        name: Option<&str>,
        password: Option<&Secret>,
        is_operator: bool,
        at: Timestamp,
    ) -> Result<Account, CreateAccountError> {
        let hash = match password {
            Some(password) => Some(self.store.inner.passwords.hash(password).await?),
            None => None,
        };
        let id = AccountId(new_id(at));
        let mut transaction = self.store.begin().await?;
        sqlx::query(
            "INSERT INTO accounts (id, email, name, password_hash, is_operator, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $6)",
        )
        .bind(id.to_string())
        .bind(email.as_str())
        .bind(name)
        .bind(hash)
        .bind(is_operator)
        .bind(at.as_microsecond())
        .execute(&mut *transaction)
        .await
        .map_err(|error| if is_taken(&error) { CreateAccountError::EmailTaken } else { error.into() })?;
        let account = read(&mut transaction, id).await?;
        transaction.commit().await?;
        Ok(account)
    }

    pub async fn by_id(&self, id: AccountId) -> Result<Option<Account>, StoreError> {
        let row =
            sqlx::query(select!("WHERE id = $1")).bind(id.to_string()).fetch_optional(self.store.readers()).await?;
        row.as_ref().map(account).transpose()
    }

    pub async fn by_email(&self, email: &Email) -> Result<Option<Account>, StoreError> {
        let row =
            sqlx::query(select!("WHERE email = $1")).bind(email.as_str()).fetch_optional(self.store.readers()).await?;
        row.as_ref().map(account).transpose()
    }

    /// In the order in which they were made.
    pub async fn list(&self) -> Result<Vec<Account>, StoreError> {
        all(&sqlx::query(select!("ORDER BY id")).fetch_all(self.store.readers()).await?, account)
    }

    /// The account, if this is its password. Takes as long for an unknown
    /// e-mail address as for a wrong password.
    pub async fn verify_password(&self, email: &Email, password: &Secret) -> Result<Option<Account>, StoreError> {
        let hash: Option<Option<String>> = sqlx::query_scalar("SELECT password_hash FROM accounts WHERE email = $1")
            .bind(email.as_str())
            .fetch_optional(self.store.readers())
            .await?;
        let right = self.store.inner.passwords.verify(password, hash.flatten()).await?;
        if right { self.by_email(email).await } else { Ok(None) }
    }

    /// Fails with [`StoreError::Gone`] if there is no such account.
    pub async fn set_password(&self, id: AccountId, password: &Secret, at: Timestamp) -> Result<(), StoreError> {
        let hash = self.store.inner.passwords.hash(password).await?;
        let done = sqlx::query("UPDATE accounts SET password_hash = $2, updated_at = $3 WHERE id = $1")
            .bind(id.to_string())
            .bind(hash)
            .bind(at.as_microsecond())
            .execute(self.store.writer())
            .await?;
        if done.rows_affected() == 0 { Err(StoreError::Gone("account")) } else { Ok(()) }
    }

    /// Sets or removes the name that is shown.
    pub async fn set_name(&self, id: AccountId, name: Option<&str>, at: Timestamp) -> Result<Account, StoreError> {
        let mut transaction = self.store.begin().await?;
        sqlx::query("UPDATE accounts SET name = $2, updated_at = $3 WHERE id = $1")
            .bind(id.to_string())
            .bind(name)
            .bind(at.as_microsecond())
            .execute(&mut *transaction)
            .await?;
        let account = read(&mut transaction, id).await?;
        transaction.commit().await?;
        Ok(account)
    }
}

async fn read(connection: &mut Connection, id: AccountId) -> Result<Account, StoreError> {
    let row = sqlx::query(select!("WHERE id = $1")).bind(id.to_string()).fetch_optional(connection).await?;
    account(&row.ok_or(StoreError::Gone("account"))?)
}

fn account(row: &Row) -> Result<Account, StoreError> {
    Ok(Account {
        id: row.text("id")?,
        email: row.text("email")?,
        name: row.maybe_string("name")?,
        is_operator: row.flag("is_operator")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    })
}
