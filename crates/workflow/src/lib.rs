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

mod journal;
mod step;
mod workflow;

pub use journal::{Journal, JournalError, Outcome, Record};
pub use step::Step;
pub use workflow::{Failure, Recovered, Workflow};
