//! The API as clients see it: a real store, a platform on a scripted runtime,
//! and every answer held against the published schema.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod authorization;
mod conformance;
mod conventions;
mod harness;
mod journeys;
mod logins;
mod schema;
mod streams;
