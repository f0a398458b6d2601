//! The formation: quantity and size of each process type.

use domain::formation::{Formation, InvalidQuantity, Quantity};
use domain::{AppId, DynoSize, ProcessType};
use jiff::Timestamp;

use crate::database::{Connection, Row};
use crate::error::from_database_error;
use crate::rows::{Columns, all};
use crate::{Store, StoreError};

/// The verbs of the formation; see [`Store::formation`].
pub struct Formations<'a> {
    pub(crate) store: &'a Store,
}

/// A wish for one process type; what is `None` stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormationChange {
    pub process_type: ProcessType,
    pub quantity: Option<Quantity>,
    pub size: Option<DynoSize>,
}

#[derive(Debug, thiserror::Error)]
pub enum UpdateFormationError {
    #[error("the app's code declares no process type `{0}`")]
    NoSuchType(ProcessType),
    #[error(transparent)]
    InvalidQuantity(#[from] InvalidQuantity),
    #[error(transparent)]
    Store(#[from] StoreError),
}
from_database_error!(UpdateFormationError);

macro_rules! select {
    ($rest:literal) => {
        concat!("SELECT id, app, process_type, command, quantity, size, created_at, updated_at FROM formation ", $rest)
    };
}
pub(crate) use select;

impl Formations<'_> {
    /// By process type.
    pub async fn list(&self, app: AppId) -> Result<Vec<Formation>, StoreError> {
        let rows = sqlx::query(select!("WHERE app = $1 ORDER BY process_type"))
            .bind(app.to_string())
            .fetch_all(self.store.readers())
            .await?;
        all(&rows, formation)
    }

    /// Of all apps, by app and process type.
    pub async fn list_all(&self) -> Result<Vec<Formation>, StoreError> {
        let rows = sqlx::query(select!("ORDER BY app, process_type")).fetch_all(self.store.readers()).await?;
        all(&rows, formation)
    }

    pub async fn by_type(&self, app: AppId, process_type: &ProcessType) -> Result<Option<Formation>, StoreError> {
        let row = sqlx::query(select!("WHERE app = $1 AND process_type = $2"))
            .bind(app.to_string())
            .bind(process_type.as_str())
            .fetch_optional(self.store.readers())
            .await?;
        row.as_ref().map(formation).transpose()
    }

    /// Makes all changes in their order, or none; gives back the entries that
    /// were named, as they are then. Changes such as `+1` count from what is
    /// there at that moment.
    pub async fn update(
        &self,
        app: AppId,
        changes: &[FormationChange],
        at: Timestamp,
    ) -> Result<Vec<Formation>, UpdateFormationError> {
        let mut transaction = self.store.begin().await?;
        for change in changes {
            let entry = named(&mut transaction, app, &change.process_type).await?;
            let quantity = match change.quantity {
                Some(wish) => wish.applied_to(entry.quantity)?,
                None => entry.quantity,
            };
            sqlx::query("UPDATE formation SET quantity = $2, size = $3, updated_at = $4 WHERE id = $1")
                .bind(entry.id.to_string())
                .bind(quantity)
                .bind(change.size.unwrap_or(entry.size).name())
                .bind(at.as_microsecond())
                .execute(&mut *transaction)
                .await?;
        }
        let mut changed: Vec<Formation> = Vec::new();
        for change in changes {
            if changed.iter().all(|entry| entry.process_type != change.process_type) {
                changed.push(named(&mut transaction, app, &change.process_type).await?);
            }
        }
        transaction.commit().await?;
        Ok(changed)
    }
}

async fn named(
    connection: &mut Connection,
    app: AppId,
    process_type: &ProcessType,
) -> Result<Formation, UpdateFormationError> {
    let row = sqlx::query(select!("WHERE app = $1 AND process_type = $2"))
        .bind(app.to_string())
        .bind(process_type.as_str())
        .fetch_optional(connection)
        .await?;
    Ok(formation(&row.ok_or_else(|| UpdateFormationError::NoSuchType(process_type.clone()))?)?)
}

pub(crate) fn formation(row: &Row) -> Result<Formation, StoreError> {
    Ok(Formation {
        id: row.text("id")?,
        app: row.text("app")?,
        process_type: row.text("process_type")?,
        command: row.string("command")?,
        quantity: row.number("quantity")?,
        size: row.text("size")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    })
}
