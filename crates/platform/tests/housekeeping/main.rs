//! Garbage is collected, and nothing else is.

#![expect(clippy::unwrap_used, reason = "a test that can not go on is to fail")]

mod concurrent;
mod runs;
mod support;
