//! Request ids, and the version that is asked for: what every answer shares.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use tracing::Instrument;
use uuid::Uuid;

use crate::problem::Refusal;

const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Answers with the client's id of the request, or with a new one. The CLI
/// sends all ids that it has seen as one list; the first that is valid counts.
pub(crate) async fn echo(request: Request, next: Next) -> Response {
    let id = given(request.headers()).unwrap_or_else(|| Uuid::new_v4().to_string());
    let span = tracing::info_span!("api", request_id = %id, method = %request.method(), path = %shown_path(&request));
    let mut response = next.run(request).instrument(span).await;
    if let Ok(id) = HeaderValue::try_from(id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

fn given(headers: &HeaderMap) -> Option<String> {
    let lists = headers.get_all(REQUEST_ID).into_iter().chain(headers.get_all(X_REQUEST_ID));
    let ids = lists.filter_map(|list| list.to_str().ok()).flat_map(|list| list.split(','));
    ids.map(str::trim).find(|id| is_valid(id)).map(str::to_owned)
}

/// 20 to 200 of letters, digits and `-`: Heroku's rule.
fn is_valid(id: &str) -> bool {
    (20..=200).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// The path without the secrets that some paths are.
fn shown_path(request: &Request) -> String {
    let path = request.uri().path();
    match crate::streams::SECRET_PREFIXES.iter().find(|prefix| path.starts_with(**prefix)) {
        Some(prefix) => format!("{prefix}…"),
        None => path.to_owned(),
    }
}

/// There is one version, 3; whoever asks for another is told so.
pub(crate) async fn accept_version(request: Request, next: Next) -> Response {
    let accepts = request.headers().get_all(header::ACCEPT);
    let other = accepts.iter().filter_map(|accept| accept.to_str().ok()).find_map(other_version);
    match other {
        None => next.run(request).await,
        Some(version) => {
            let message = format!(
                "This API has version 3 only, not {version}: send `Accept: application/vnd.heroku+json; version=3`."
            );
            Refusal::not_acceptable(message).into_response()
        }
    }
}

/// The version that is asked for, if it is not 3 in any variant (`3.sdk`).
fn other_version(accept: &str) -> Option<String> {
    let versions = accept.split([';', ',']).filter_map(|part| part.trim().strip_prefix("version="));
    let mut versions = versions.map(|version| version.trim_matches('"')).peekable();
    let first = (*versions.peek()?).to_owned();
    let is_3 = |version: &str| version == "3" || version.starts_with("3.");
    if versions.any(is_3) { None } else { Some(first.chars().take(40).collect()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_valid_id_of_a_list_counts() {
        let of = |text: &str| given(&HeaderMap::from_iter([(REQUEST_ID, text.parse().unwrap())]));
        let id = "01234567-89ab-cdef-0123-456789abcdef";
        assert_eq!(of(&format!("{id},another-id-that-is-long-enough")).as_deref(), Some(id));
        assert_eq!(of(&format!("short, {id}")).as_deref(), Some(id));
        assert_eq!(of("no/good-because-of-the-slash"), None);
        assert_eq!(of(&"x".repeat(201)), None);
    }

    #[test]
    fn any_variant_of_version_3_is_accepted_and_none_is_too() {
        for fine in [
            "*/*",
            "application/json",
            "application/vnd.heroku+json; version=3",
            "application/vnd.heroku+json; version=3.sdk",
            "application/vnd.heroku+json; version=\"3.cedar-acm\"",
        ] {
            assert_eq!(other_version(fine), None, "{fine}");
        }
        assert_eq!(other_version("application/vnd.heroku+json; version=2").as_deref(), Some("2"));
        assert_eq!(other_version("application/vnd.heroku+json; version=30").as_deref(), Some("30"));
    }
}
