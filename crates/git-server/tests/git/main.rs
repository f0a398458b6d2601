//! Real git against the service, over loopback.

#![expect(clippy::unwrap_used, reason = "in a test that is a failure")]

mod client;
mod fetches;
mod hostile;
mod leaving;
mod pushes;
mod server;
