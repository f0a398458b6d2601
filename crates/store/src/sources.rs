//! Source tarballs on their way to a build. Who knows the secret in a source's
//! URL may write and read it.

use domain::{Secret, SourceId};
use jiff::Timestamp;

use crate::ids::new_id;
use crate::rows::{Columns, all};
use crate::tokens::{new_token, token_digest};
use crate::{Store, StoreError};

/// The verbs of sources; see [`Store::sources`].
pub struct Sources<'a> {
    pub(crate) store: &'a Store,
}

/// A source that was made, with the secret that can't be read again.
#[derive(Debug, Clone)]
pub struct NewSource {
    pub id: SourceId,
    /// 64 hexadecimal digits.
    pub secret: Secret,
}

impl Sources<'_> {
    pub async fn create(&self, at: Timestamp) -> Result<NewSource, StoreError> {
        let source = NewSource { id: SourceId(new_id(at)), secret: new_token("")? };
        sqlx::query("INSERT INTO sources (id, digest, created_at) VALUES ($1, $2, $3)")
            .bind(source.id.to_string())
            .bind(token_digest(&source.secret))
            .bind(at.as_microsecond())
            .execute(self.store.writer())
            .await?;
        Ok(source)
    }

    pub async fn find(&self, secret: &Secret) -> Result<Option<SourceId>, StoreError> {
        let row = sqlx::query("SELECT id FROM sources WHERE digest = $1")
            .bind(token_digest(secret))
            .fetch_optional(self.store.readers())
            .await?;
        row.as_ref().map(|row| row.text("id")).transpose()
    }

    /// Whether there was one to remove.
    pub async fn remove(&self, id: SourceId) -> Result<bool, StoreError> {
        let done =
            sqlx::query("DELETE FROM sources WHERE id = $1").bind(id.to_string()).execute(self.store.writer()).await?;
        Ok(done.rows_affected() > 0)
    }

    /// Those made before this moment, the oldest first.
    pub async fn older_than(&self, moment: Timestamp) -> Result<Vec<SourceId>, StoreError> {
        let rows = sqlx::query("SELECT id FROM sources WHERE created_at < $1 ORDER BY created_at, id")
            .bind(moment.as_microsecond())
            .fetch_all(self.store.readers())
            .await?;
        all(&rows, |row| row.text("id"))
    }
}
