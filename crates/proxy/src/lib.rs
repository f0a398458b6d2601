//! Forwards HTTP/1.1 requests and upgraded connections to a backend address.
//!
//! This is mechanism only: it knows addresses, not apps. The caller chooses a
//! backend, sets the headers it wants the backend to see, and is told how the
//! exchange ended. The interface is kept narrow (one request goes in, one
//! response or one [`Fault`] comes out) so that another engine can take
//! hyper's place behind it.
//!
//! ```no_run
//! # async fn example(request: http::Request<hyper::body::Incoming>) {
//! let proxy = proxy::Proxy::new(proxy::Limits::default());
//! let backend = "127.0.0.1:8080".parse().expect("an address");
//! match proxy.forward(backend, proxy::Outgoing::new(request)).await {
//!     Ok(forwarded) => drop(forwarded.response),
//!     Err(unforwarded) => eprintln!("{}", unforwarded.fault),
//! }
//! # }
//! ```

mod client;
mod connect;
mod fault;
mod forward;
mod headers;
mod limits;
mod outgoing;
mod pool;
mod request_body;
mod response_body;
mod tunnel;

pub use client::{Client, Scheme};
pub use fault::Fault;
pub use forward::{Forwarded, Proxy, Unforwarded};
pub use limits::Limits;
pub use outgoing::Outgoing;
pub use response_body::{BodyEnd, ResponseBody};
pub use tunnel::{Tunnel, TunnelEnd};
