//! The keys that accounts call the API with. The key itself is given out once;
//! what is kept is its SHA-256.

use domain::account::{Account, ApiKey};
use domain::{AccountId, ApiKeyId, Secret};
use jiff::Timestamp;

use crate::database::{Connection, Row};
use crate::ids::new_id;
use crate::rows::{Columns, all};
use crate::tokens::{new_token, token_digest};
use crate::{Store, StoreError};

/// The verbs of API keys; see [`Store::api_keys`].
pub struct ApiKeys<'a> {
    pub(crate) store: &'a Store,
}

/// As Heroku's keys begin, so that scanners for leaked keys know ours as well.
const PREFIX: &str = "HRKU-";

/// Longer texts are no keys and not worth a hash.
const LONGEST_KEY_BYTES: usize = 256;

macro_rules! select {
    ($rest:literal) => {
        concat!("SELECT id, account, description, is_session, expires_at, created_at, updated_at FROM api_keys ", $rest)
    };
}

impl ApiKeys<'_> {
    /// The key as text (`HRKU-` and 64 hexadecimal digits) can't be read again.
    pub async fn create(
        &self,
        account: AccountId,
        description: &str,
        expires_at: Option<Timestamp>,
        at: Timestamp,
    ) -> Result<(ApiKey, Secret), StoreError> {
        self.insert(account, description, false, expires_at, at).await
    }

    /// As [`ApiKeys::create`], of a login.
    pub async fn create_session(
        &self,
        account: AccountId,
        description: &str,
        expires_at: Option<Timestamp>,
        at: Timestamp,
    ) -> Result<(ApiKey, Secret), StoreError> {
        self.insert(account, description, true, expires_at, at).await
    }

    async fn insert(
        &self,
        account: AccountId,
        description: &str,
        is_session: bool,
        expires_at: Option<Timestamp>,
        at: Timestamp,
    ) -> Result<(ApiKey, Secret), StoreError> {
        let secret = new_token(PREFIX)?;
        let id = ApiKeyId(new_id(at));
        let mut transaction = self.store.begin().await?;
        sqlx::query(
            "INSERT INTO api_keys (id, account, digest, description, is_session, expires_at, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $7)",
        )
        .bind(id.to_string())
        .bind(account.to_string())
        .bind(token_digest(&secret))
        .bind(description)
        .bind(is_session)
        .bind(expires_at.map(Timestamp::as_microsecond))
        .bind(at.as_microsecond())
        .execute(&mut *transaction)
        .await?;
        let key = read(&mut transaction, id).await?;
        transaction.commit().await?;
        Ok((key, secret))
    }

    /// Whose key this is, unless it is unknown or has expired.
    pub async fn authenticate(&self, secret: &Secret, now: Timestamp) -> Result<Option<(Account, ApiKey)>, StoreError> {
        if secret.expose().len() > LONGEST_KEY_BYTES {
            return Ok(None);
        }
        let row = sqlx::query(select!("WHERE digest = $1 AND (expires_at IS NULL OR expires_at > $2)"))
            .bind(token_digest(secret))
            .bind(now.as_microsecond())
            .fetch_optional(self.store.readers())
            .await?;
        let Some(key) = row.as_ref().map(api_key).transpose()? else { return Ok(None) };
        Ok(self.store.accounts().by_id(key.account).await?.map(|account| (account, key)))
    }

    /// The keys of an account in the order in which they were made, expired
    /// ones too.
    pub async fn list(&self, account: AccountId) -> Result<Vec<ApiKey>, StoreError> {
        let rows = sqlx::query(select!("WHERE account = $1 ORDER BY id"))
            .bind(account.to_string())
            .fetch_all(self.store.readers())
            .await?;
        all(&rows, api_key)
    }

    pub async fn by_id(&self, id: ApiKeyId) -> Result<Option<ApiKey>, StoreError> {
        let row =
            sqlx::query(select!("WHERE id = $1")).bind(id.to_string()).fetch_optional(self.store.readers()).await?;
        row.as_ref().map(api_key).transpose()
    }

    /// Another secret in place of the one that the key had; that one is refused
    /// from now on. Fails with [`StoreError::Gone`] if there is no such key.
    pub async fn rotate(&self, id: ApiKeyId, at: Timestamp) -> Result<(ApiKey, Secret), StoreError> {
        let secret = new_token(PREFIX)?;
        let mut transaction = self.store.begin().await?;
        sqlx::query("UPDATE api_keys SET digest = $2, updated_at = $3 WHERE id = $1")
            .bind(id.to_string())
            .bind(token_digest(&secret))
            .bind(at.as_microsecond())
            .execute(&mut *transaction)
            .await?;
        let key = read(&mut transaction, id).await?;
        transaction.commit().await?;
        Ok((key, secret))
    }

    /// Fails with [`StoreError::Gone`] if there is no such key.
    pub async fn describe(&self, id: ApiKeyId, description: &str, at: Timestamp) -> Result<ApiKey, StoreError> {
        let mut transaction = self.store.begin().await?;
        sqlx::query("UPDATE api_keys SET description = $2, updated_at = $3 WHERE id = $1")
            .bind(id.to_string())
            .bind(description)
            .bind(at.as_microsecond())
            .execute(&mut *transaction)
            .await?;
        let key = read(&mut transaction, id).await?;
        transaction.commit().await?;
        Ok(key)
    }

    /// Whether there was one to delete.
    pub async fn delete(&self, id: ApiKeyId) -> Result<bool, StoreError> {
        let done =
            sqlx::query("DELETE FROM api_keys WHERE id = $1").bind(id.to_string()).execute(self.store.writer()).await?;
        Ok(done.rows_affected() > 0)
    }
}

async fn read(connection: &mut Connection, id: ApiKeyId) -> Result<ApiKey, StoreError> {
    let row = sqlx::query(select!("WHERE id = $1")).bind(id.to_string()).fetch_optional(connection).await?;
    api_key(&row.ok_or(StoreError::Gone("API key"))?)
}

fn api_key(row: &Row) -> Result<ApiKey, StoreError> {
    Ok(ApiKey {
        id: row.text("id")?,
        account: row.text("account")?,
        description: row.string("description")?,
        is_session: row.flag("is_session")?,
        expires_at: row.maybe_time("expires_at")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    })
}
