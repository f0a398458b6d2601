//! The store as the rest of the platform sees it, on a real database file.
//! The suite speaks in verbs only, so that it can run on other engines.

#![expect(clippy::unwrap_used, reason = "a test that can not go on is to fail")]

mod accounts;
mod apps;
mod belongings;
mod builds;
mod config_changes;
mod crash;
mod going_live;
mod housekeeping;
mod journal;
mod opening;

mod releases;
mod sealing_keys;
mod secrets;
mod snapshots;
mod support;
