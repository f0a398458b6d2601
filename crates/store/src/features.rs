//! Features that were switched on for an app or an account.

use domain::{AccountId, AppId};
use jiff::Timestamp;

use crate::database::Row;
use crate::rows::{Columns, all};
use crate::{Store, StoreError};

/// The verbs of features; see [`Store::features`].
pub struct Features<'a> {
    pub(crate) store: &'a Store,
}

impl Features<'_> {
    /// The app's features that are on, by name, with when they were switched on.
    pub async fn enabled(&self, app: AppId) -> Result<Vec<(String, Timestamp)>, StoreError> {
        let rows = sqlx::query("SELECT name, enabled_at FROM app_features WHERE app = $1 ORDER BY name")
            .bind(app.to_string())
            .fetch_all(self.store.readers())
            .await?;
        all(&rows, feature)
    }

    /// Switching on what is on keeps its time.
    pub async fn set(&self, app: AppId, name: &str, enabled: bool, at: Timestamp) -> Result<(), StoreError> {
        if enabled {
            sqlx::query("INSERT INTO app_features (app, name, enabled_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
                .bind(app.to_string())
                .bind(name)
                .bind(at.as_microsecond())
                .execute(self.store.writer())
                .await?;
        } else {
            sqlx::query("DELETE FROM app_features WHERE app = $1 AND name = $2")
                .bind(app.to_string())
                .bind(name)
                .execute(self.store.writer())
                .await?;
        }
        Ok(())
    }

    /// The same for an account.
    pub async fn account_enabled(&self, account: AccountId) -> Result<Vec<(String, Timestamp)>, StoreError> {
        let rows = sqlx::query("SELECT name, enabled_at FROM account_features WHERE account = $1 ORDER BY name")
            .bind(account.to_string())
            .fetch_all(self.store.readers())
            .await?;
        all(&rows, feature)
    }

    /// The same for an account.
    pub async fn set_account(
        &self,
        account: AccountId,
        name: &str,
        enabled: bool,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        if enabled {
            sqlx::query(
                "INSERT INTO account_features (account, name, enabled_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            )
            .bind(account.to_string())
            .bind(name)
            .bind(at.as_microsecond())
            .execute(self.store.writer())
            .await?;
        } else {
            sqlx::query("DELETE FROM account_features WHERE account = $1 AND name = $2")
                .bind(account.to_string())
                .bind(name)
                .execute(self.store.writer())
                .await?;
        }
        Ok(())
    }
}

fn feature(row: &Row) -> Result<(String, Timestamp), StoreError> {
    Ok((row.string("name")?, row.time("enabled_at")?))
}
