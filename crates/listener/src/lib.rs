//! The one listener of the platform.
//!
//! Each connection is sniffed: a TLS record is answered with a certificate of
//! the local CA, anything else is plain HTTP. Inside TLS, bytes that are no
//! HTTP request are a rendezvous (`heroku run`). HTTP is dispatched by `Host`:
//! the platform's own names go to the platform's service, all others to the
//! router.

mod authority;
mod certificates;
mod client_io;
mod dispatch;
mod limits;
mod listener;
mod names;
mod prefixed;
mod rendezvous;
mod turn;

pub use authority::CertificateError;
pub use certificates::Certificates;
pub use limits::Limits;
pub use listener::Listener;
pub use names::Names;
pub use rendezvous::{BoxedStream, Rendezvous, Stream};
