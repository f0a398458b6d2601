//! Durable step-by-step work with undo, its journal as a trait.
//!
//! A [`Workflow`] is a list of [`Step`]s. Before the first step and after each
//! one the journal is told how far the work is and with which context; so
//! after a crash [`Workflow::recover`] can undo it or bring it to its end:
//!
//! - Before the *pivot* the work is undone when a step fails, or when it is
//!   found unfinished after a crash: the step that was in progress first, then
//!   the ended ones, in reverse.
//! - Once the last step before the pivot is journaled there is no way back:
//!   the work goes forward, by recovery if need be.
//! - A journal that can't be written counts as a crash: nothing more is done,
//!   and recovery decides by what the journal really holds.
//!
//! So steps must be safe to repeat, and an undo must be fine with a step that
//! did nothing, half or all of its work, and with being run twice.
//!
//! ```
//! use std::sync::atomic::{AtomicUsize, Ordering};
//!
//! use async_trait::async_trait;
//! use workflow::{Failure, Journal, JournalError, Outcome, Record, Step, Workflow};
//!
//! static SEATS: AtomicUsize = AtomicUsize::new(3);
//!
//! struct TakeSeat;
//! struct Pay;
//!
//! #[async_trait]
//! impl Step<String, &'static str> for TakeSeat {
//!     fn name(&self) -> &'static str {
//!         "take a seat"
//!     }
//!     async fn run(&self, _who: &mut String) -> Result<(), &'static str> {
//!         SEATS.fetch_sub(1, Ordering::Relaxed);
//!         Ok(())
//!     }
//!     async fn undo(&self, _who: &mut String) -> Result<(), &'static str> {
//!         SEATS.fetch_add(1, Ordering::Relaxed);
//!         Ok(())
//!     }
//! }
//!
//! #[async_trait]
//! impl Step<String, &'static str> for Pay {
//!     fn name(&self) -> &'static str {
//!         "pay"
//!     }
//!     async fn run(&self, _who: &mut String) -> Result<(), &'static str> {
//!         Err("no money")
//!     }
//! }
//!
//! // A real one survives a crash.
//! struct Forgetful;
//!
//! #[async_trait]
//! impl Journal for Forgetful {
//!     async fn begin(&self, _: domain::WorkflowId, _: &str, _: &str) -> Result<(), JournalError> {
//!         Ok(())
//!     }
//!     async fn progressed(&self, _: domain::WorkflowId, _: usize, _: &str) -> Result<(), JournalError> {
//!         Ok(())
//!     }
//!     async fn ended(&self, _: domain::WorkflowId, outcome: Outcome) -> Result<(), JournalError> {
//!         assert_eq!(outcome, Outcome::Undone);
//!         Ok(())
//!     }
//!     async fn unfinished(&self) -> Result<Vec<Record>, JournalError> {
//!         Ok(Vec::new())
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let booking = Workflow { kind: "booking", steps: vec![Box::new(TakeSeat), Box::new(Pay)], pivot: 2 };
//! let id = domain::WorkflowId(uuid::Uuid::nil());
//! let failed = booking.run(&Forgetful, id, &mut "Ada".to_owned()).await;
//! assert!(matches!(failed, Err(Failure::Undone { step: "pay", source: "no money" })));
//! assert_eq!(SEATS.load(Ordering::Relaxed), 3);
//! # }
//! ```

mod journal;
mod step;
mod workflow;

pub use journal::{Journal, JournalError, Outcome, Record};
pub use step::Step;
pub use workflow::{Failure, Recovered, Workflow};
