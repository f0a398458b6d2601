//! Git over smart HTTP: pushes that deploy, and fetches.
//!
//! The system's `git` does the plumbing, isolated ([`USER_ID`]); what a push
//! means is decided by a pre-receive hook that is ours ([`hook_main`]) and asks
//! this server back. So git itself keeps the promise that a branch moves only
//! when its deploy was accepted, and shows the deploy's output meanwhile.
//!
//! Rules: `main` and `master` deploy, one commit a push, and can't be deleted;
//! other branches and tags are kept without a build; other refs are refused.
//! Of two pushes to one app the second waits for the first and is then refused
//! if the branch has moved. Who leaves (Ctrl-C) cancels his deploy.
//!
//! ```
//! assert!(git_server::is_git_path("/my-app.git/info/refs"));
//! assert!(!git_server::is_git_path("/apps/my-app"));
//!
//! let commit: git_server::Oid = "2c3a0b2f".repeat(5).parse()?;
//! assert_eq!(commit.as_str().len(), 40);
//! assert!("main".parse::<git_server::Oid>().is_err());
//! # Ok::<(), git_server::InvalidOid>(())
//! ```

mod answer;
mod config;
mod exchange;
mod hook;
mod hook_desk;
mod job;
mod process;
mod push;
mod refs;
mod repositories;
mod repository;
mod request;
mod route;
mod sandbox;
mod server;
mod session;
mod source;
mod workplace;

pub use answer::GitBody;
pub use config::{Config, Limits};
pub use hook::hook_main;
pub use process::USER_ID;
pub use push::{Output, Push, Verdict};
pub use refs::{InvalidOid, Oid};
pub use repositories::{Access, Credentials, Grant, Refusal, Repositories, Repository};
pub use repository::{init, size_bytes};
pub use route::is_git_path;
pub use sandbox::SandboxError;
pub use server::{GitServer, StartError};
pub use source::{Source, Tar};
