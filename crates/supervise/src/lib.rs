//! Parts and their shutdown, and back-off: what std and tokio lack.

mod backoff;
mod parts;

pub use backoff::Backoff;
pub use parts::{Part, run};
