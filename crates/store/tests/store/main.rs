//! The store as the rest of the platform sees it, on a real database file.
//! The suite speaks in verbs only, so that it can run on other engines.

mod accounts;
mod apps;
mod belongings;
mod builds;
mod config_changes;
mod crash;
mod going_live;
mod journal;
mod opening;

mod releases;
mod secrets;
mod support;
