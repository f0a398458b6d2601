//! A journal in memory.

use std::collections::BTreeMap;
use std::sync::Mutex;

use async_trait::async_trait;
use domain::WorkflowId;
use workflow::{Journal, JournalError, Outcome, Record};

/// A journal in memory that can be made to stop at its Nth write.
#[derive(Default)]
pub(crate) struct Memory {
    pub(crate) records: Mutex<BTreeMap<WorkflowId, Record>>,
    pub(crate) outcomes: Mutex<Vec<Outcome>>,
    pub(crate) writes: Mutex<usize>,
    pub(crate) stops_at: Option<Stop>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Stop {
    pub(crate) write: usize,
    /// Whether that write is kept although it failed: an answer that got lost.
    pub(crate) keeps_it: bool,
}

impl Memory {
    fn write(&self, change: impl FnOnce()) -> Result<(), JournalError> {
        let mut writes = self.writes.lock().unwrap();
        *writes += 1;
        match self.stops_at {
            Some(stop) if *writes >= stop.write => {
                if *writes == stop.write && stop.keeps_it {
                    change();
                }
                Err(JournalError("the disk is gone".into()))
            }
            _ => {
                change();
                Ok(())
            }
        }
    }

    /// The same journal after the crash, working again.
    pub(crate) fn mended(self) -> Self {
        Self { stops_at: None, ..self }
    }
}

#[async_trait]
impl Journal for Memory {
    async fn begin(&self, id: WorkflowId, kind: &str, context: &str) -> Result<(), JournalError> {
        let record = Record { id, kind: kind.to_owned(), steps_ended: 0, context: context.to_owned() };
        self.write(|| assert!(self.records.lock().unwrap().insert(id, record).is_none()))
    }

    async fn progressed(&self, id: WorkflowId, step: usize, context: &str) -> Result<(), JournalError> {
        self.write(|| {
            let mut records = self.records.lock().unwrap();
            let record = records.get_mut(&id).expect("only what began can progress");
            assert_eq!(record.steps_ended, step, "steps end one after the other");
            record.steps_ended = step + 1;
            record.context = context.to_owned();
        })
    }

    async fn ended(&self, id: WorkflowId, outcome: Outcome) -> Result<(), JournalError> {
        self.write(|| {
            if self.records.lock().unwrap().remove(&id).is_some() {
                self.outcomes.lock().unwrap().push(outcome);
            }
        })
    }

    async fn unfinished(&self) -> Result<Vec<Record>, JournalError> {
        Ok(self.records.lock().unwrap().values().cloned().collect())
    }
}
