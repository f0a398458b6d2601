//! Heroku's Platform API v3 over HTTP.
//!
//! One file per noun; each lists its endpoints with what they demand of the
//! caller ([`endpoint::Access`]), and one guard enforces that before a handler
//! runs. Handlers are thin: extract, parse, call `platform`, convert.
//!
//! ```
//! let endpoints = api::endpoints();
//! let create = endpoints.iter().find(|it| it.path == "/apps" && it.method == "POST").expect("apps can be made");
//! assert_eq!(create.access, api::Access::Account);
//! ```

mod absent;
mod accounts;
mod answer;
mod apps;
mod authority;
mod authorizations;
mod body;
mod browser_login;
mod buildpack_registry;
mod buildpacks;
mod builds;
mod collaborators;
mod config_vars;
mod domains;
mod dyno_sizes;
mod dynos;
mod endpoint;
mod features;
mod formation;
mod guard;
mod housekeeping;
mod log_drains;
mod log_sessions;
mod origin;
mod problem;
mod range;
mod rate_limit;
mod releases;
mod request_id;
mod schema;
mod sessions;
mod slugs;
mod sources;
mod ssh_keys;
mod stacks;
mod status;
mod streams;

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use platform::{Platform, Settings};

pub use endpoint::{Access, Answers, EndpointInfo};

/// What the API must know of the place it is served at, and its limits.
#[derive(Debug, Clone)]
pub struct ApiConfig {
    /// Where the platform is reached (`https://localhost:5000`), for URLs in
    /// answers to requests that do not say it themselves.
    pub public_url: String,
    /// Apps answer on `<app>.<base_domain>`.
    pub base_domain: String,
    /// The certificate of the authority that the platform's certificates come
    /// from, if it is one of its own.
    pub authority_pem: Option<String>,
    /// Requests that an account may make, as a bucket that refills evenly.
    pub requests_per_hour: u32,
    /// Attempts to log in with a password, per e-mail address.
    pub logins_per_hour: u32,
    /// Of a JSON body.
    pub max_body_bytes: usize,
    /// How often a silent log stream says that it is alive.
    pub heartbeat: Duration,
}

impl ApiConfig {
    /// The limits that Heroku documents, and a heartbeat well below the 55
    /// seconds after which routers on the way cut a silent stream.
    pub fn new(settings: &Settings) -> Self {
        Self {
            public_url: settings.public_url.clone(),
            base_domain: settings.base_domain.clone(),
            authority_pem: None,
            requests_per_hour: 4500,
            logins_per_hour: 60,
            max_body_bytes: 1024 * 1024,
            heartbeat: Duration::from_secs(15),
        }
    }
}

/// What every handler shares; cheap to clone.
#[derive(Clone)]
pub(crate) struct Api(Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) platform: Arc<Platform>,
    pub(crate) config: ApiConfig,
    pub(crate) limits: rate_limit::Limits,
}

impl Deref for Api {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

/// The whole API as a service. Requests may carry an [`http::uri::Scheme`] as
/// an extension that tells how they came in; else that of `public_url` counts.
pub fn router(platform: Arc<Platform>, config: ApiConfig) -> Router {
    let limits = rate_limit::Limits::new(config.requests_per_hour, config.logins_per_hour);
    let api = Api(Arc::new(Shared { platform, config, limits }));
    let mut router = Router::new();
    for endpoint in endpoint::all() {
        let guarded = endpoint.route.route_layer(from_fn_with_state(
            guard::Guard { api: api.clone(), access: endpoint.info.access },
            guard::check,
        ));
        router = router.route(endpoint.info.path, guarded);
    }
    router
        .fallback(problem::no_such_endpoint)
        .method_not_allowed_fallback(problem::method_not_allowed)
        .with_state(api)
        .layer(from_fn(answer::not_modified))
        .layer(from_fn(request_id::accept_version))
        .layer(from_fn(request_id::echo))
}

/// Every endpoint and what it demands, for documents and tests.
pub fn endpoints() -> Vec<EndpointInfo> {
    endpoint::all().into_iter().map(|endpoint| endpoint.info).collect()
}
