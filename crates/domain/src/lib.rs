//! The platform's nouns and rules, without I/O.
//!
//! Text becomes a type here once; inside the platform a value that exists is
//! valid. Nothing in this crate reads a file, a socket, a clock or the
//! environment: times are handed in.

pub mod account;
pub mod app;
pub mod backoff;
pub mod build;
pub mod buildpack;
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
pub mod secret;
pub mod size;

pub use app::App;
pub use config::{ConfigKey, ConfigVars};
pub use digest::Digest;
pub use dyno::{DynoName, DynoState};
pub use hostname::Hostname;
pub use ids::*;
pub use names::{AppName, Email, ProcessType};
pub use secret::Secret;
pub use size::DynoSize;
