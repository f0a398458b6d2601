//! Accounts and their passwords.

use domain::account::Account;
use domain::{AccountId, AppName, Email, Secret};
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

#[derive(Debug, thiserror::Error)]
pub enum DeleteAccountError {
    #[error("the account owns apps")]
    OwnsApps(Vec<AppName>),
    #[error(transparent)]
    Store(#[from] StoreError),
}
from_database_error!(DeleteAccountError);

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, email, name, is_operator, has_one_time_password, created_at, updated_at FROM accounts ",
            $rest
        )
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
        self.insert(email, name, hash, is_operator, false, at).await
    }

    /// An account with a password that its holder is to replace.
    pub async fn invite(
        &self,
        email: &Email,
        name: Option<&str>,
        one_time_password: &Secret,
        at: Timestamp,
    ) -> Result<Account, CreateAccountError> {
        let hash = self.store.inner.passwords.hash(one_time_password).await?;
        self.insert(email, name, Some(hash), false, true, at).await
    }

    async fn insert(
        &self,
        email: &Email,
        name: Option<&str>,
        password_hash: Option<String>,
        is_operator: bool,
        has_one_time_password: bool,
        at: Timestamp,
    ) -> Result<Account, CreateAccountError> {
        let id = AccountId(new_id(at));
        let mut transaction = self.store.begin().await?;
        sqlx::query(
            "INSERT INTO accounts (id, email, name, password_hash, is_operator, has_one_time_password,
                                   created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $7)",
        )
        .bind(id.to_string())
        .bind(email.as_str())
        .bind(name)
        .bind(password_hash)
        .bind(is_operator)
        .bind(has_one_time_password)
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

    /// In the order in which they were made, without deleted ones.
    pub async fn list(&self) -> Result<Vec<Account>, StoreError> {
        all(
            &sqlx::query(select!("WHERE deleted_at IS NULL ORDER BY id")).fetch_all(self.store.readers()).await?,
            account,
        )
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
        let done = sqlx::query(
            "UPDATE accounts SET password_hash = $2, has_one_time_password = $3, updated_at = $4 WHERE id = $1",
        )
        .bind(id.to_string())
        .bind(hash)
        .bind(false)
        .bind(at.as_microsecond())
        .execute(self.store.writer())
        .await?;
        if done.rows_affected() == 0 { Err(StoreError::Gone("account")) } else { Ok(()) }
    }

    /// Removes all that is personal of an account, and its keys. The row stays
    /// for what the account did, under an address at which no one is. Fails with
    /// [`StoreError::Gone`] if there is no such account.
    pub async fn delete(&self, id: AccountId, at: Timestamp) -> Result<(), DeleteAccountError> {
        let mut transaction = self.store.begin().await?;
        let rows = sqlx::query("SELECT name FROM apps WHERE owner = $1 ORDER BY name")
            .bind(id.to_string())
            .fetch_all(&mut *transaction)
            .await?;
        if !rows.is_empty() {
            return Err(DeleteAccountError::OwnsApps(all(&rows, |row| row.text("name"))?));
        }
        for of_account in [
            "DELETE FROM api_keys WHERE account = $1",
            "DELETE FROM ssh_keys WHERE account = $1",
            "DELETE FROM account_features WHERE account = $1",
            "DELETE FROM collaborators WHERE account = $1",
        ] {
            sqlx::query(of_account).bind(id.to_string()).execute(&mut *transaction).await?;
        }
        let done = sqlx::query(
            "UPDATE accounts SET email = $2, name = NULL, password_hash = NULL, updated_at = $3, deleted_at = $3
             WHERE id = $1 AND deleted_at IS NULL",
        )
        .bind(id.to_string())
        .bind(format!("deleted-{id}@renga.invalid"))
        .bind(at.as_microsecond())
        .execute(&mut *transaction)
        .await?;
        if done.rows_affected() == 0 {
            return Err(StoreError::Gone("account").into());
        }
        transaction.commit().await?;
        Ok(())
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
        has_one_time_password: row.flag("has_one_time_password")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    })
}
