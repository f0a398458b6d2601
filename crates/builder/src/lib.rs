//! From a source tree to an image: buildpacks, cache, and the build's output.
//!
//! Whatever belongs to the app is hostile and runs inside a *build dyno*: its
//! archive is unpacked there, its buildpacks and build scripts run there, on a
//! disk of bounded size that is the dyno's `/tmp`. The server only writes a
//! plan for the driver script, passes bytes through, and, when the dyno is
//! dead, packs what lies on that disk into layers.
//!
//! What a build prints follows Heroku line by line where tools match it.
//!
//! ```
//! let registry = builder::Registry::carried();
//! assert!(registry.find("heroku/nodejs").is_some());
//! let refused = registry.check(&"heroku/nodej".parse()?).unwrap_err();
//! assert!(refused.to_string().contains("heroku/nodejs"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod build;
mod builder;
mod buildpacks;
mod cache;
mod config;
mod driver;
mod dyno;
mod environment;
mod error;
mod events;
mod furnish;
mod harvest;
mod layers;
mod output;
mod plan;
mod preparation;
mod procfile;
mod registry;
mod release_yaml;
mod request;
mod scratch;
mod slug;
mod source;
mod supply;
mod timings;
mod verdict;

pub use builder::Builder;
pub use cache::BuildCache;
pub use config::{BuildLimits, BuilderConfig, BuildpackSources};
pub use environment::{DEFAULT_BUILD_ENV, operator_environment};
pub use error::{BuildError, OpenError, Platform, Rejection};
pub use registry::{Entry, Registry, RegistryError, Source as BuildpackSource, UnknownBuildpack};
pub use request::{BuildRequest, Built, Phase, Source, SourceOrigin};
