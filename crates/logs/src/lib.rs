//! Log lines: one stream per app, with tails, filters and a bounded history.
//!
//! A line is encoded once, into the app's ring; whoever reads (a tail, the
//! writer of the files) is a cursor into that ring and never holds anyone up.
//! A reader that is too slow loses lines of its own, counted and told in its
//! stream. On disk each app has two files that take turns, so that history is
//! bounded and outlives the server.

mod app_log;
mod assembler;
mod files;
mod filter;
mod line;
mod record;
mod ring;
mod store;
mod tail;
mod writer;

pub use assembler::{Assembler, CONTINUED};
pub use filter::{Filter, ProcessFilter};
pub use line::{Line, MAX_TEXT_BYTES, Source, clean};
pub use store::{Logs, OpenError};
pub use tail::{Batch, Tail};
