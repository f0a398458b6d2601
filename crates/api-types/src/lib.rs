//! Requests, responses and problems of the public JSON API: Heroku's Platform
//! API v3, field by field as in its published schema.
//!
//! A response type derives both directions, so that clients read what the
//! server writes. A request type holds domain types where the text has a rule:
//! a body that was read is valid, and a body that breaks a rule fails while it
//! is read, at the path of the field.
//!
//! ```
//! use api_types::app::CreateApp;
//!
//! let body: CreateApp = serde_json::from_str(r#"{"name": "my-app"}"#)?;
//! assert_eq!(body.name.unwrap().as_str(), "my-app");
//!
//! let refused = serde_json::from_str::<CreateApp>(r#"{"name": "My App"}"#).unwrap_err();
//! assert!(refused.to_string().contains("must start with a letter"));
//! # Ok::<(), serde_json::Error>(())
//! ```

pub mod account;
pub mod app;
pub mod build;
pub mod buildpack;
pub mod collaborator;
pub mod config_var;
pub mod domain_name;
pub mod dyno;
pub mod dyno_size;
pub mod feature;
pub mod formation;
pub mod generation;
pub mod housekeeping;
pub mod log_drain;
pub mod log_session;
pub mod oauth;
pub mod problem;
pub mod rate_limit;
pub mod refs;
pub mod region;
pub mod release;
pub mod slug;
pub mod source;
pub mod ssh_key;
pub mod stable_id;
pub mod stack;
pub mod status;
pub mod time;

pub use problem::Problem;
pub use refs::{AppRef, IdRef, NamedRef, UserRef};
pub use stable_id::stable_id;
pub use time::Time;
