//! Dynos, as far as they are known to run or to have run.

use domain::dyno::Dyno;
use domain::{AppId, DynoId, DynoName, DynoState};
use jiff::Timestamp;

use crate::database::Row;
use crate::rows::{Columns, all, corrupt};
use crate::{Store, StoreError};

/// The verbs of dynos; see [`Store::dynos`].
pub struct Dynos<'a> {
    pub(crate) store: &'a Store,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, app, process_type, number, command, release, release_version, size, state,
                    created_at, updated_at
             FROM dynos ",
            $rest
        )
    };
}

impl Dynos<'_> {
    /// Its id must be new.
    pub async fn insert(&self, dyno: &Dyno) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO dynos (id, app, process_type, number, command, release, release_version, size, state,
                                created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        )
        .bind(dyno.id.to_string())
        .bind(dyno.app.to_string())
        .bind(dyno.name.process_type.as_str())
        .bind(dyno.name.number)
        .bind(&dyno.command)
        .bind(dyno.release.to_string())
        .bind(dyno.release_version)
        .bind(dyno.size.name())
        .bind(dyno.state.name())
        .bind(dyno.created_at.as_microsecond())
        .bind(dyno.updated_at.as_microsecond())
        .execute(self.store.writer())
        .await?;
        Ok(())
    }

    /// Writes what [`DynoState::after`] returned; tells whether the dyno is there.
    pub async fn set_state(&self, id: DynoId, state: DynoState, at: Timestamp) -> Result<bool, StoreError> {
        let done = sqlx::query("UPDATE dynos SET state = $2, updated_at = $3 WHERE id = $1")
            .bind(id.to_string())
            .bind(state.name())
            .bind(at.as_microsecond())
            .execute(self.store.writer())
            .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Those that are not removed, by name, then the oldest first.
    pub async fn list(&self, app: AppId) -> Result<Vec<Dyno>, StoreError> {
        let rows = sqlx::query(select!("WHERE app = $1 ORDER BY process_type, number, id"))
            .bind(app.to_string())
            .fetch_all(self.store.readers())
            .await?;
        all(&rows, dyno)
    }

    /// The same of all apps.
    pub async fn list_all(&self) -> Result<Vec<Dyno>, StoreError> {
        let rows =
            sqlx::query(select!("ORDER BY app, process_type, number, id")).fetch_all(self.store.readers()).await?;
        all(&rows, dyno)
    }

    pub async fn by_id(&self, id: DynoId) -> Result<Option<Dyno>, StoreError> {
        let row =
            sqlx::query(select!("WHERE id = $1")).bind(id.to_string()).fetch_optional(self.store.readers()).await?;
        row.as_ref().map(dyno).transpose()
    }

    /// Whether there was one to remove.
    pub async fn remove(&self, id: DynoId) -> Result<bool, StoreError> {
        let done =
            sqlx::query("DELETE FROM dynos WHERE id = $1").bind(id.to_string()).execute(self.store.writer()).await?;
        Ok(done.rows_affected() > 0)
    }
}

fn dyno(row: &Row) -> Result<Dyno, StoreError> {
    Ok(Dyno {
        id: row.text("id")?,
        app: row.text("app")?,
        name: DynoName { process_type: row.text("process_type")?, number: row.number("number")? },
        command: row.string("command")?,
        release: row.text("release")?,
        release_version: row.number("release_version")?,
        size: row.text("size")?,
        state: match row.string("state")?.as_str() {
            "starting" => DynoState::Starting,
            "up" => DynoState::Up,
            "stopping" => DynoState::Stopping,
            "crashed" => DynoState::Crashed,
            "down" => DynoState::Down,
            other => return Err(corrupt("state", other)),
        },
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    })
}
