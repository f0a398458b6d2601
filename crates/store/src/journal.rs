//! The journal of workflows: a row per workflow that has not ended.

use async_trait::async_trait;
use domain::WorkflowId;
use workflow::{Journal, JournalError, Outcome, Record};

use crate::database::Row;
use crate::rows::{Columns, all, corrupt};
use crate::{Store, StoreError};

#[async_trait]
impl Journal for Store {
    async fn begin(&self, id: WorkflowId, kind: &str, context: &str) -> Result<(), JournalError> {
        let begun = sqlx::query("INSERT INTO workflows (id, kind, steps_ended, context) VALUES ($1, $2, 0, $3)")
            .bind(id.to_string())
            .bind(kind)
            .bind(context)
            .execute(self.writer())
            .await;
        begun.map(|_| ()).map_err(|error| failed(error.into()))
    }

    async fn progressed(&self, id: WorkflowId, step: usize, context: &str) -> Result<(), JournalError> {
        let steps_ended = i64::try_from(step + 1).map_err(|source| failed(corrupt("steps_ended", source)))?;
        let noted = sqlx::query("UPDATE workflows SET steps_ended = $2, context = $3 WHERE id = $1")
            .bind(id.to_string())
            .bind(steps_ended)
            .bind(context)
            .execute(self.writer())
            .await
            .map_err(|error| failed(error.into()))?;
        if noted.rows_affected() == 0 { Err(failed(StoreError::Gone("workflow"))) } else { Ok(()) }
    }

    async fn ended(&self, id: WorkflowId, outcome: Outcome) -> Result<(), JournalError> {
        tracing::debug!(workflow.id = %id, "A workflow is {}", outcome.name());
        let ended =
            sqlx::query("DELETE FROM workflows WHERE id = $1").bind(id.to_string()).execute(self.writer()).await;
        ended.map(|_| ()).map_err(|error| failed(error.into()))
    }

    async fn unfinished(&self) -> Result<Vec<Record>, JournalError> {
        // Ids of version 7 sort by time; the writer, to see all that was written.
        let rows = sqlx::query("SELECT id, kind, steps_ended, context FROM workflows ORDER BY id")
            .fetch_all(self.writer())
            .await
            .map_err(|error| failed(error.into()))?;
        all(&rows, record).map_err(failed)
    }
}

fn record(row: &Row) -> Result<Record, StoreError> {
    Ok(Record {
        id: row.text("id")?,
        kind: row.string("kind")?,
        steps_ended: row.number("steps_ended")?,
        context: row.string("context")?,
    })
}

fn failed(error: StoreError) -> JournalError {
    JournalError(Box::new(error))
}
