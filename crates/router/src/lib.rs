//! Finds the app that a host name belongs to, chooses one of its dynos, and
//! forwards the request; answers with a page and a code where it can't.
//!
//! Three layers: the [`RouteTable`] is plain data that somebody else keeps up
//! to date and hands in by a `watch` channel, [`Router`] decides, and `proxy`
//! carries the bytes. The behaviour towards clients, dynos and logs is that of
//! Heroku's router (HTTP Routing, Error Codes and Request IDs articles).
//!
//! ```
//! use domain::AppId;
//! use router::{AppRoute, AppState, RouteTable};
//!
//! let app = AppRoute {
//!     app: AppId(uuid::Uuid::nil()),
//!     name: "my-app".parse()?,
//!     domains: vec!["*.example.com".parse()?],
//!     state: AppState::Starting,
//! };
//! let table = RouteTable::new(&["localhost".to_owned()], [app]);
//! assert!(table.find("my-app.localhost").is_some());
//! assert!(table.find("www.example.com").is_some());
//! assert!(table.find("example.com").is_none());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod access;
mod admission;
mod body;
mod choice;
mod code;
mod forwarded;
mod host;
mod in_flight;
mod limits;
mod page;
mod quarantine;
mod request_id;
mod router;
mod table;

pub use access::AccessSink;
pub use admission::Refused;
pub use body::Body;
pub use code::Code;
pub use host::Host;
pub use limits::Limits;
pub use router::Router;
pub use table::{AppRoute, AppState, Backend, RouteTable};
