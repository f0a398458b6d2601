//! The URLs in answers: made from how the client itself reached us, so that
//! they work for it.

use axum::extract::FromRequestParts;
use domain::App;
use http::header;
use http::request::Parts;
use http::uri::{Authority, Scheme};

use crate::Api;
use crate::problem::Refusal;

/// Where the client reached us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    scheme: &'static str,
    authority: Authority,
    base_domain: String,
}

impl Origin {
    /// A URL on the platform's own name; `path` starts with a slash.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.authority)
    }

    pub(crate) fn git_url(&self, app: &App) -> String {
        self.url(&format!("/{}.git", app.name))
    }

    /// Where the app answers: on its own name at the same port.
    pub(crate) fn web_url(&self, app: &App) -> String {
        let port = self.authority.port_u16().map(|port| format!(":{port}")).unwrap_or_default();
        format!("{}://{}.{}{port}/", self.scheme, app.name, self.base_domain)
    }

    /// The host name of the app without a port.
    pub(crate) fn app_host(&self, app: &App) -> String {
        format!("{}.{}", app.name, self.base_domain)
    }

    /// Where the client of an attached run goes; it wants a port in it.
    pub(crate) fn rendezvous_url(&self, secret: &str) -> String {
        let port = self.authority.port_u16().unwrap_or(if self.scheme == "https" { 443 } else { 80 });
        format!("rendezvous://{}:{port}/{secret}", self.authority.host())
    }
}

impl FromRequestParts<Api> for Origin {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Refusal> {
        let (scheme, authority) = api.config.public_url.split_once("://").unwrap_or(("https", &api.config.public_url));
        // Put there by the listener, which knows whether it spoke TLS.
        let came_by = parts.extensions.get::<Scheme>().map_or(scheme, Scheme::as_str);
        let scheme = if came_by == "http" { "http" } else { "https" };
        let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
        // User information in it could make the URL mean another place.
        let own = host.filter(|host| !host.contains('@')).and_then(|host| host.parse::<Authority>().ok());
        let authority = match own.or_else(|| parts.uri.authority().cloned()) {
            Some(own) => own,
            None => authority
                .trim_end_matches('/')
                .parse()
                .map_err(|_| Refusal::internal(format_args!("public_url `{}` is no URL", api.config.public_url)))?,
        };
        Ok(Self { scheme, authority, base_domain: api.config.base_domain.clone() })
    }
}
