//! Text and bytes that go on for as long as there is more.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures::Stream;
use http::{HeaderValue, header};

/// Where the URLs begin that are secrets; they are kept out of the log.
pub(crate) const SECRET_PREFIXES: [&str; 6] =
    ["/auth/browser/", "/auth/cli/", "/build-output/", "/release-output/", "/log-sessions/", "/sources/"];

/// Plain text, passed on as it comes.
pub(crate) fn text<E>(stream: impl Stream<Item = Result<Bytes, E>> + Send + 'static) -> Response
where
    E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
{
    typed("text/plain; charset=utf-8", stream)
}

pub(crate) fn typed<E>(
    content_type: &'static str,
    stream: impl Stream<Item = Result<Bytes, E>> + Send + 'static,
) -> Response
where
    E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
{
    let mut response = Response::new(Body::from_stream(stream));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // The URL is a secret: it must not leak to what a browser opens next.
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}
