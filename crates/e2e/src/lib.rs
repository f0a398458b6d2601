//! What drives the real `renga` binary from the outside: a server on a data
//! directory of its own, people with a home and the official CLI, repositories,
//! terminals, and a look at what is left on the machine afterwards.
//!
//! It knows nothing of the platform's crates: what it sees is what a user sees.
//!
//! ```
//! use std::time::Duration;
//!
//! let mut asked = 0;
//! let answer = e2e::eventually(Duration::from_secs(10), || {
//!     asked += 1;
//!     anyhow::ensure!(asked == 3, "not yet");
//!     Ok("at the third time")
//! });
//! assert_eq!(answer?, "at the third time");
//! # Ok::<(), anyhow::Error>(())
//! ```

mod api;
mod command;
mod environment;
mod footprint;
pub mod http;
mod patience;
mod person;
mod process;
mod repository;
mod server;
mod terminal;
mod tools;
pub mod websocket;

pub use api::{Api, path_of};
pub use command::Ran;
pub use environment::environment;
pub use footprint::Footprint;
pub use patience::{Deadline, eventually};
pub use person::Person;
pub use process::Process;
pub use repository::{Repository, copy_folder};
pub use server::Server;
pub use terminal::Terminal;
pub use tools::{Tools, workspace_root};
