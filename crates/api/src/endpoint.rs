//! The table of endpoints: where they are, what they demand of the caller, and
//! what they answer. Nothing is served that is not in it.

use axum::handler::Handler;
use axum::routing::{MethodFilter, MethodRouter, on};
use http::Method;

use crate::Api;

/// What an endpoint demands of the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Access {
    /// Nothing: it tells nothing that is not public.
    Open,
    /// A secret in the URL, which the handler checks.
    SecretUrl,
    /// An API key, or the e-mail address and password of an account.
    Login,
    /// An API key.
    Account,
    /// The key of the platform's operator.
    Operator,
    /// The key of someone who may use the app `{app}`.
    Member,
    /// The key of the owner of the app `{app}`.
    Owner,
}

/// What an endpoint answers when all is well, by the names of the published
/// schema's definitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Answers {
    One(&'static str),
    Many(&'static str),
    /// A flat map of config vars.
    ConfigVars,
    /// `{}`
    Empty,
    /// A list that is always empty: there are no such things here.
    NoneOf(&'static str),
    /// Always a problem that says why.
    Problem,
    /// Bytes or text as they come.
    Stream,
    /// JSON that the published schema does not describe.
    Other,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointInfo {
    pub method: Method,
    /// With parameters in braces: `/apps/{app}/dynos/{dyno}`.
    pub path: &'static str,
    pub access: Access,
    pub answers: Answers,
}

pub(crate) struct Endpoint {
    pub(crate) info: EndpointInfo,
    pub(crate) route: MethodRouter<Api>,
}

/// The endpoints of one noun, gathered one by one.
#[derive(Default)]
pub(crate) struct Endpoints(Vec<Endpoint>);

macro_rules! method {
    ($name:ident, $method:ident) => {
        pub(crate) fn $name<H, T>(self, path: &'static str, access: Access, answers: Answers, handler: H) -> Self
        where
            H: Handler<T, Api>,
            T: 'static,
        {
            let info = EndpointInfo { method: Method::$method, path, access, answers };
            self.and(Endpoint { info, route: on(MethodFilter::$method, handler) })
        }
    };
}

impl Endpoints {
    method!(get, GET);
    method!(post, POST);
    method!(put, PUT);
    method!(patch, PATCH);
    method!(delete, DELETE);

    fn and(mut self, endpoint: Endpoint) -> Self {
        self.0.push(endpoint);
        self
    }
}

pub(crate) fn all() -> Vec<Endpoint> {
    [
        crate::absent::endpoints(),
        crate::accounts::endpoints(),
        crate::apps::endpoints(),
        crate::authority::endpoints(),
        crate::authorizations::endpoints(),
        crate::browser_login::endpoints(),
        crate::builds::endpoints(),
        crate::buildpack_registry::endpoints(),
        crate::buildpacks::endpoints(),
        crate::collaborators::endpoints(),
        crate::config_vars::endpoints(),
        crate::domains::endpoints(),
        crate::dyno_sizes::endpoints(),
        crate::dynos::endpoints(),
        crate::features::endpoints(),
        crate::formation::endpoints(),
        crate::housekeeping::endpoints(),
        crate::log_drains::endpoints(),
        crate::log_sessions::endpoints(),
        crate::releases::endpoints(),
        crate::schema::endpoints(),
        crate::sessions::endpoints(),
        crate::slugs::endpoints(),
        crate::sources::endpoints(),
        crate::ssh_keys::endpoints(),
        crate::stacks::endpoints(),
        crate::status::endpoints(),
    ]
    .into_iter()
    .flat_map(|endpoints| endpoints.0)
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_endpoints_of_an_app_demand_a_role_in_it_and_all_of_them_do() {
        for Endpoint { info, .. } in all() {
            let of_app = info.path == "/apps/{app}" || info.path.starts_with("/apps/{app}/");
            let role = matches!(info.access, Access::Member | Access::Owner);
            assert_eq!(of_app, role, "{} {}", info.method, info.path);
        }
    }

    #[test]
    fn only_streams_need_no_credentials_but_a_secret() {
        for Endpoint { info, .. } in all() {
            if info.access == Access::SecretUrl {
                assert!(info.path.ends_with("/{secret}"), "{}", info.path);
            }
        }
    }
}
