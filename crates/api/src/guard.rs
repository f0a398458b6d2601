//! Who asks, and whether he may: checked here, before any handler runs.

use axum::extract::{FromRequestParts, RawPathParams, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use domain::account::Account;
use domain::{App, Email, Secret};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, header};

use crate::Api;
use crate::endpoint::Access;
use crate::problem::Refusal;

/// What the guard of one endpoint needs.
#[derive(Clone)]
pub(crate) struct Guard {
    pub(crate) api: Api,
    pub(crate) access: Access,
}

pub(crate) async fn check(
    State(Guard { api, access }): State<Guard>,
    mut request: Request,
    next: Next,
) -> Result<Response, Refusal> {
    let caller = match access {
        Access::Open | Access::SecretUrl => return Ok(next.run(request).await),
        Access::Login => match password_of(request.headers()) {
            Some((email, password)) => {
                let account = log_in(&api, email, password).await?;
                request.extensions_mut().insert(LoggedIn { account, by_password: true });
                return Ok(next.run(request).await);
            }
            None => authenticate(&api, request.headers()).await?,
        },
        Access::Account | Access::Operator | Access::Member | Access::Owner => {
            authenticate(&api, request.headers()).await?
        }
    };
    let remaining = api.limits.take(caller.account.id, is_free(request.uri().path()))?;
    if access == Access::Operator && !caller.account.is_operator {
        return Err(Refusal::forbidden("Only the operator of this platform may do this.").with_remaining(remaining));
    }
    let outcome = async {
        if matches!(access, Access::Member | Access::Owner) {
            let (mut parts, body) = request.into_parts();
            let identity = parameter(&mut parts, |name| name == "app").await?;
            let app = match access {
                Access::Owner => api.platform.apps().find_owned(&caller, &identity).await?,
                _ => api.platform.apps().find(&caller, &identity).await?,
            };
            request = Request::from_parts(parts, body);
            request.extensions_mut().insert(InApp(app));
        }
        request.extensions_mut().insert(LoggedIn { account: caller.account.clone(), by_password: false });
        request.extensions_mut().insert(Caller(caller));
        Ok::<_, Refusal>(next.run(request).await)
    };
    let mut response = outcome.await.map_err(|refusal| refusal.with_remaining(remaining))?;
    response.headers_mut().insert("ratelimit-remaining", HeaderValue::from(remaining));
    Ok(response)
}

/// Asking how much is left costs nothing.
fn is_free(path: &str) -> bool {
    path == "/account/rate-limits"
}

async fn authenticate(api: &Api, headers: &HeaderMap) -> Result<platform::Caller, Refusal> {
    let key = match authorization(headers) {
        Some(Authorization::Bearer(key)) => key,
        // A token comes as the password; whatever stands as user does not matter.
        Some(Authorization::Basic(_, password)) => password,
        None => return Err(Refusal::unauthorized()),
    };
    Ok(api.platform.accounts().authenticate(&key).await?)
}

async fn log_in(api: &Api, email: Email, password: Secret) -> Result<Account, Refusal> {
    api.limits.take_login(&email)?;
    Ok(api.platform.accounts().authenticate_password(&email, &password).await?)
}

enum Authorization {
    Bearer(Secret),
    Basic(String, Secret),
}

fn authorization(headers: &HeaderMap) -> Option<Authorization> {
    let (scheme, rest) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(Authorization::Bearer(Secret::new(rest)));
    }
    if scheme.eq_ignore_ascii_case("basic") {
        let bytes = STANDARD.decode(rest).or_else(|_| STANDARD_NO_PAD.decode(rest)).ok()?;
        let text = String::from_utf8(bytes).ok()?;
        let (user, password) = text.split_once(':')?;
        return Some(Authorization::Basic(user.to_owned(), Secret::new(password)));
    }
    None
}

/// An e-mail address and a password, unless the latter is an API key.
fn password_of(headers: &HeaderMap) -> Option<(Email, Secret)> {
    match authorization(headers)? {
        Authorization::Basic(user, password) if !password.expose().starts_with("HRKU-") => {
            Some((user.parse().ok()?, password))
        }
        _ => None,
    }
}

/// Who calls, with the key he calls with.
#[derive(Clone)]
pub(crate) struct Caller(pub(crate) platform::Caller);

/// Whose account it is: known also of one who came with a password.
#[derive(Clone)]
pub(crate) struct LoggedIn {
    pub(crate) account: Account,
    pub(crate) by_password: bool,
}

/// The app that the path names; the caller may do to it what the endpoint does.
#[derive(Clone)]
pub(crate) struct InApp(pub(crate) App);

/// The last parameter of the path, decoded.
pub(crate) struct Named(pub(crate) String);

macro_rules! from_guard {
    ($($type:ident),+) => {$(
        impl<S: Send + Sync> FromRequestParts<S> for $type {
            type Rejection = Refusal;

            async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
                parts.extensions.get::<Self>().cloned().ok_or_else(|| {
                    Refusal::internal(concat!("the endpoint's access gives no ", stringify!($type)))
                })
            }
        }
    )+};
}
from_guard!(Caller, LoggedIn, InApp);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        parameter(parts, |_| true).await.map(Self)
    }
}

/// The last parameter of the path whose name is wanted.
async fn parameter(parts: &mut Parts, wanted: impl Fn(&str) -> bool) -> Result<String, Refusal> {
    let params = RawPathParams::from_request_parts(parts, &())
        .await
        .map_err(|_| Refusal::bad_request("The path is not valid UTF-8 after percent-decoding."))?;
    let found = params.iter().filter(|(name, _)| wanted(name)).last();
    found.map(|(_, value)| value.to_owned()).ok_or_else(|| Refusal::internal("the path has no such parameter"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().unwrap())])
    }

    fn key(value: &str) -> Option<String> {
        match authorization(&headers(value))? {
            Authorization::Bearer(key) | Authorization::Basic(_, key) => Some(key.expose().to_owned()),
        }
    }

    #[test]
    fn keys_come_as_bearer_or_as_a_password_of_anyone() {
        assert_eq!(key("Bearer abc").as_deref(), Some("abc"));
        assert_eq!(key("bearer  abc ").as_deref(), Some("abc"));
        assert_eq!(key(&format!("Basic {}", STANDARD.encode(":abc"))).as_deref(), Some("abc"));
        assert_eq!(key(&format!("Basic {}", STANDARD.encode("me@example.com:abc"))).as_deref(), Some("abc"));
        for bad in ["abc", "Basic !!!", "Digest abc", "Basic YWJj"] {
            assert_eq!(key(bad), None, "{bad}");
        }
    }

    #[test]
    fn only_an_address_with_a_password_is_a_login() {
        let basic = |text: &str| headers(&format!("Basic {}", STANDARD.encode(text)));
        assert!(password_of(&basic("me@example.com:hush")).is_some());
        assert!(password_of(&basic("me@example.com:HRKU-0123")).is_none());
        assert!(password_of(&basic(":hush")).is_none());
        assert!(password_of(&headers("Bearer hush")).is_none());
    }
}
