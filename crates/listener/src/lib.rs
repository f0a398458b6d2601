//! The one listener of the platform.
//!
//! Each connection is sniffed: a TLS record is answered with a certificate of
//! the operator's or the local CA, anything else is plain HTTP. Inside TLS, bytes that are no
//! HTTP request are a rendezvous (`heroku run`). HTTP is dispatched by `Host`:
//! the platform's own names go to the platform's service, all others to the
//! router.
//!
//! ```
//! use std::sync::Arc;
//!
//! use listener::{Certificates, Names};
//!
//! // An authority of one's own, made at the first start and kept.
//! let folder = std::env::temp_dir().join(format!("tls-{}", std::process::id()));
//! let names = Arc::new(Names::new(["renga.example.com".to_owned()], ["example.com".to_owned()], []));
//! let certificates = Certificates::open_or_create(&folder, names, |name| name == "my-app.example.com")?;
//! assert!(std::fs::read_to_string(certificates.authority_path())?.starts_with("-----BEGIN CERTIFICATE-----"));
//! # std::fs::remove_dir_all(&folder)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod authority;
mod certificates;
mod client_io;
mod dispatch;
mod limits;
mod listener;
mod names;
mod own;
mod prefixed;
mod rendezvous;
mod turn;

pub use authority::CertificateError;
pub use certificates::Certificates;
pub use limits::Limits;
pub use listener::Listener;
pub use names::Names;
pub use own::OwnCertificate;
pub use rendezvous::{BoxedStream, Rendezvous, Stream};
