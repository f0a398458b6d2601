//! The URLs in answers: made from how the client itself reached us, so that
//! they work for it.

use axum::extract::FromRequestParts;
use domain::App;
use http::header;
use http::request::Parts;
use http::uri::{Authority, Scheme, Uri};

use crate::Api;
use crate::problem::Refusal;

/// Where the client reached us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    scheme: &'static str,
    authority: Authority,
    base_domain: String,
    app_scheme: &'static str,
    app_port: Option<u16>,
}

impl Origin {
    /// A URL on the platform's own name; `path` starts with a slash.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.authority)
    }

    pub(crate) fn git_url(&self, app: &App) -> String {
        self.url(&format!("/{}.git", app.name))
    }

    /// Where the app answers.
    pub(crate) fn web_url(&self, app: &App) -> String {
        let port = self.app_port.map(|port| format!(":{port}")).unwrap_or_default();
        format!("{}://{}.{}{port}/", self.app_scheme, app.name, self.base_domain)
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
        let (public_scheme, public_authority) = public(&api.config.public_url)?;
        // Put there by the listener, which knows whether it spoke TLS.
        let came_by = parts.extensions.get::<Scheme>().map_or(public_scheme, known_scheme);
        let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
        // User information in it could make the URL mean another place.
        let own = host.filter(|host| !host.contains('@')).and_then(|host| host.parse::<Authority>().ok());
        let authority = own.or_else(|| parts.uri.authority().cloned()).unwrap_or_else(|| public_authority.clone());
        let base_domain = api.config.base_domain.clone();
        // Below `localhost` apps are where the platform is, also through a
        // tunnel; a tunnel's port says nothing of that of a real domain.
        let (app_scheme, app_port) = match base_domain.as_str() {
            "localhost" => (came_by, authority.port_u16()),
            _ => (public_scheme, public_authority.port_u16()),
        };
        Ok(Self { scheme: came_by, authority, base_domain, app_scheme, app_port })
    }
}

/// Scheme and authority of the configured URL.
fn public(url: &str) -> Result<(&'static str, Authority), Refusal> {
    let parsed: Result<Uri, _> = url.parse();
    let parts = parsed.map(Uri::into_parts).ok().and_then(|parts| Some((parts.scheme?, parts.authority?)));
    let (scheme, authority) = parts.ok_or_else(|| Refusal::internal(format_args!("public_url `{url}` is no URL")))?;
    Ok((known_scheme(&scheme), authority))
}

fn known_scheme(scheme: &Scheme) -> &'static str {
    if *scheme == Scheme::HTTP { "http" } else { "https" }
}
