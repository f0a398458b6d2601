//! Parts and their shutdown, and back-off: what std and tokio lack.
//!
//! A program is a list of [`Part`]s that [`run`] starts, names and ends in one
//! place, so that no task is without an owner who waits for it. What fails and
//! tries again waits as [`Backoff`] says. Nothing here knows the platform.
//!
//! ```
//! use std::time::Duration;
//!
//! let mut backoff = supervise::Backoff::new(Duration::from_secs(1), Duration::from_secs(60));
//! assert!(backoff.next_wait() <= Duration::from_secs(1));
//! assert!(backoff.next_wait() <= Duration::from_secs(2));
//! ```

mod backoff;
mod parts;

pub use backoff::Backoff;
pub use parts::{Part, run};
