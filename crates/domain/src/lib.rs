//! The platform's nouns and rules, without I/O.
//!
//! Text becomes a type here once; inside the platform a value that exists is
//! valid. Nothing in this crate reads a file, a socket, a clock or the
//! environment: times are handed in.
//!
//! ```
//! use domain::{AppName, procfile};
//!
//! let name: AppName = "my-app".parse()?;
//! assert_eq!(name.as_str(), "my-app");
//! assert!("My App".parse::<AppName>().is_err());
//!
//! let found = procfile::parse("web: node server.js\n# a comment\nworker: node worker.js\n");
//! let types: Vec<_> = found.process_types.keys().map(|name| name.as_str()).collect();
//! assert_eq!(types, ["web", "worker"]);
//! # Ok::<(), domain::names::InvalidAppName>(())
//! ```

pub mod account;
pub mod app;
pub mod backoff;
pub mod build;
pub mod buildpack;
pub mod byte_count;
pub mod config;
pub mod digest;
pub mod dyno;
pub mod formation;
pub mod hostname;
pub mod ids;
pub mod names;
pub mod plan;
pub mod procfile;
pub mod release;
pub mod retention;
pub mod secret;
pub mod size;
pub mod ssh_key;

pub use app::App;
pub use byte_count::ByteCount;
pub use config::{ConfigKey, ConfigVars};
pub use digest::Digest;
pub use dyno::{DynoName, DynoState};
pub use hostname::Hostname;
pub use ids::*;
pub use names::{AppName, Email, ProcessType};
pub use retention::Retention;
pub use secret::Secret;
pub use size::DynoSize;
