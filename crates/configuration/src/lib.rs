//! What an operator may set.
//!
//! Every setting stands once, in the table of `table.rs`, with its type, its
//! default and its meaning. From that table come the flags of `renga server`,
//! the variables, the keys of the configuration file, what `renga settings`
//! prints, and `docs/configuration.md`.
//!
//! A flag wins over a variable, a variable over the file, the file over the
//! default. All that is wrong is told at once, before any port is bound.
//!
//! ```
//! use configuration::{Given, read};
//!
//! let given = Given { flags: [("listen", "127.0.0.1:80".to_owned())].into(), ..Given::default() };
//! let (configuration, _) = read(&given).unwrap();
//! assert_eq!(configuration.listen.0, ["127.0.0.1:80".parse().unwrap()]);
//! assert_eq!(configuration.public_url(), "https://localhost:80");
//! ```

mod file;
mod names;
mod page;
mod place;
mod read;
mod table;
mod value;

pub use file::{ConfigurationFile, FileError};
pub use page::table_for_docs;
pub use place::{DEFAULT_FILE, data_dir, file_named};
pub use read::{Effective, Fault, Faults, Given, Source, read};
pub use table::{Configuration, Fallback, SETTINGS, Setting};
pub use value::{Addresses, Bytes, HostName, Span, Variables};
