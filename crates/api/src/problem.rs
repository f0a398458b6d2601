//! The one place that turns what went wrong into HTTP.

use api_types::Problem;
use api_types::problem::id;
use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, Method, StatusCode, Uri, header};
use platform::{PlatformError, Resource};

/// A request that is not done, and the answer to it.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    problem: Box<Problem>,
    remaining: Option<u32>,
    retry_after_s: Option<u64>,
}

impl Refusal {
    fn new(status: StatusCode, id: &str, message: impl Into<String>) -> Self {
        let problem = Problem { id: id.to_owned(), message: message.into(), url: None, resource: None };
        Self { status, problem: Box::new(problem), remaining: None, retry_after_s: None }
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, id::BAD_REQUEST, message)
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, id::INVALID_PARAMS, message)
    }

    pub(crate) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, id::FORBIDDEN, message)
    }

    pub(crate) fn unauthorized() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            id::UNAUTHORIZED,
            "Invalid credentials provided: send an API key as `Authorization: Bearer KEY`.",
        )
    }

    /// `resource` is what clients look for: `app`, `session`, `add_on`, …
    pub(crate) fn not_found(resource: &str) -> Self {
        let mut refusal = Self::new(StatusCode::NOT_FOUND, id::NOT_FOUND, format!("Couldn't find that {resource}."));
        refusal.problem.resource = Some(resource.to_owned());
        refusal
    }

    /// As [`Refusal::not_found`], where there are no such things at all.
    pub(crate) fn not_found_yet(resource: &str, what: &str) -> Self {
        let mut refusal = Self::not_found(resource);
        refusal.problem.message = format!("Couldn't find that {resource}: {}", not_yet(what));
        refusal
    }

    /// `what` is a subject with its verb: `Pipelines are`.
    pub(crate) fn not_yet(what: &str) -> Self {
        Self::new(StatusCode::NOT_IMPLEMENTED, id::NOT_IMPLEMENTED, not_yet(what))
    }

    pub(crate) fn not_acceptable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_ACCEPTABLE, "not_acceptable", message)
    }

    pub(crate) fn too_large(message: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, id::TOO_LARGE, message)
    }

    pub(crate) fn rate_limited(message: impl Into<String>, retry_after_s: u64) -> Self {
        let refusal = Self::new(StatusCode::TOO_MANY_REQUESTS, id::RATE_LIMIT, message);
        Self { retry_after_s: Some(retry_after_s), ..refusal }
    }

    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, id::UNAVAILABLE, message)
    }

    /// Ours to fix: the cause goes to the log, not to the caller.
    pub(crate) fn internal(cause: impl std::fmt::Display) -> Self {
        tracing::error!(error = %cause, "A request failed on the platform's side");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            id::INTERNAL,
            "Something went wrong on the platform's side. Its operator finds the cause in the server's log under this Request-Id.",
        )
    }

    pub(crate) fn with_remaining(mut self, remaining: u32) -> Self {
        self.remaining = Some(remaining);
        self
    }
}

fn not_yet(what: &str) -> String {
    format!("{what} not on this platform yet. docs/compatibility.md lists what is.")
}

impl From<PlatformError> for Refusal {
    fn from(error: PlatformError) -> Self {
        match error {
            PlatformError::NotFound(resource) => Self::not_found(resource_name(resource)),
            PlatformError::Forbidden(message) => Self::forbidden(message),
            PlatformError::Unauthorized => Self::unauthorized(),
            PlatformError::Invalid(message) => Self::invalid(message),
            PlatformError::Conflict(message) => Self::new(StatusCode::CONFLICT, id::CONFLICT, message),
            PlatformError::Internal(cause) => Self::internal(format_args!("{cause:#}")),
        }
    }
}

fn resource_name(resource: Resource) -> &'static str {
    resource.name()
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(*self.problem)).into_response();
        let headers = response.headers_mut();
        if let Some(remaining) = self.remaining {
            headers.insert("ratelimit-remaining", HeaderValue::from(remaining));
        }
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"Renga\""));
        }
        response
    }
}

pub(crate) async fn no_such_endpoint(method: Method, uri: Uri) -> Refusal {
    if let Some(what) = crate::absent::topic_of(uri.path()) {
        return Refusal::not_yet(what);
    }
    let shown: String = uri.path().chars().take(200).collect();
    let message = format!("There is no endpoint {method} {shown} here. `GET /schema` lists those that there are.");
    Refusal::new(StatusCode::NOT_FOUND, id::NOT_FOUND, message)
}

pub(crate) async fn method_not_allowed(method: Method, uri: Uri) -> Refusal {
    if let Some(what) = crate::absent::topic_of(uri.path()) {
        return Refusal::not_yet(what);
    }
    let shown: String = uri.path().chars().take(200).collect();
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, id::METHOD_NOT_ALLOWED, format!("{shown} can't be asked to {method}."))
}
