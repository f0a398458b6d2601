//! Outgoing HTTP to addresses that strangers name: buildpacks, sources.
//!
//! Private addresses are refused unless the operator allows them, also where a
//! redirect leads; every wait and every answer has a bound; what went wrong is
//! told in words that say which host it was. Content is passed on as bytes:
//! nothing of it is unpacked or believed here.
//!
//! Everything blocks: call it from a blocking thread.
//!
//! ```
//! let url: fetch::Url = "https://me:secret@git.example.com/pack.git".parse()?;
//! assert_eq!(url.to_string(), "https://me:*****@git.example.com/pack.git");
//! assert!("ssh://git.example.com/pack.git".parse::<fetch::Url>().is_err());
//! # Ok::<(), fetch::InvalidUrl>(())
//! ```

mod address;
mod error;
mod fetcher;
mod url;

pub use address::is_public;
pub use error::FetchError;
pub use fetcher::{Answer, Failure, Fetcher, OpenError, Settings};
pub use url::{InvalidUrl, Url};
