//! Log lines: one stream per app, with tails, filters and a bounded history.
//!
//! A line is encoded once, into the app's ring; whoever reads (a tail, the
//! writer of the files) is a cursor into that ring and never holds anyone up.
//! A reader that is too slow loses lines of its own, counted and told in its
//! stream. On disk each app has two files that take turns, so that history is
//! bounded and outlives the server.
//!
//! ```
//! use logs::{Filter, Line, Logs, Source};
//!
//! # let folder = std::env::temp_dir().join(format!("logs-{}", std::process::id()));
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let app = domain::AppId(uuid::Uuid::nil());
//! let logs = Logs::open(&folder)?;
//! let (at, process) = (jiff::Timestamp::UNIX_EPOCH, "web.1".to_owned());
//! logs.append(app, Line { at, source: Source::App, process, text: "listens".into() });
//!
//! let lines = 10;
//! let follow = false;
//! let mut tail = logs.tail(app, Filter::default(), lines, follow, None);
//! let batch = tail.next().await.expect("a line was appended");
//! assert_eq!(batch[0].1.text, "listens");
//! # Ok::<(), logs::OpenError>(())
//! # })?;
//! # std::fs::remove_dir_all(&folder)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

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
