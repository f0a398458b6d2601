//! Real dynos on this machine, as root: what they can do, what they can't,
//! what outlives the server, and that nothing is left behind.

#![expect(clippy::unwrap_used, reason = "what a test can not have ends it")]

mod attached;
mod isolation;
mod lifecycle;
mod limits;
mod machine;
mod network;
mod survival;
mod unpacked;
