//! Answers in JSON, and those that say that nothing has changed.

use std::hash::{DefaultHasher, Hasher};

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use serde::Serialize;

use crate::problem::Refusal;

/// A JSON body that is written already, so that its tag is known.
pub(crate) struct Answer {
    status: StatusCode,
    body: Vec<u8>,
    headers: Vec<(HeaderName, String)>,
}

impl Answer {
    pub(crate) fn with_status(status: StatusCode, value: &impl Serialize) -> Result<Self, Refusal> {
        let body = serde_json::to_vec(value).map_err(Refusal::internal)?;
        Ok(Self { status, body, headers: Vec::new() })
    }

    pub(crate) fn ok(value: &impl Serialize) -> Result<Self, Refusal> {
        Self::with_status(StatusCode::OK, value)
    }

    pub(crate) fn created(value: &impl Serialize) -> Result<Self, Refusal> {
        Self::with_status(StatusCode::CREATED, value)
    }

    /// It will be done.
    pub(crate) fn accepted(value: &impl Serialize) -> Result<Self, Refusal> {
        Self::with_status(StatusCode::ACCEPTED, value)
    }

    pub(crate) fn header(mut self, name: HeaderName, value: String) -> Self {
        self.headers.push((name, value));
        self
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut hasher = DefaultHasher::new();
        hasher.write(&self.body);
        let tag = format!("W/\"{:016x}\"", hasher.finish());
        let mut response = (self.status, self.body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
        for (name, value) in self.headers.into_iter().chain([(header::ETAG, tag)]) {
            // A key that no header can carry (it has none of the platform's
            // own forms) is left out rather than breaking the answer.
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        }
        response
    }
}

/// 304 in place of a body that the client has already.
pub(crate) async fn not_modified(request: Request, next: Next) -> Response {
    let known = match *request.method() {
        Method::GET | Method::HEAD => request.headers().get(header::IF_NONE_MATCH).cloned(),
        _ => None,
    };
    let response = next.run(request).await;
    let tag = response.headers().get(header::ETAG).filter(|_| response.status() == StatusCode::OK);
    let (Some(known), Some(tag)) = (known, tag) else { return response };
    if !names(&known, tag) {
        return response;
    }
    let (mut parts, _) = response.into_parts();
    parts.status = StatusCode::NOT_MODIFIED;
    parts.headers.remove(header::CONTENT_TYPE);
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, axum::body::Body::empty())
}

fn names(known: &HeaderValue, tag: &HeaderValue) -> bool {
    let strip = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let (Ok(known), Ok(tag)) = (known.to_str(), tag.to_str()) else { return false };
    known.trim() == "*" || known.split(',').any(|candidate| strip(candidate) == strip(tag))
}
