//! Why a request was not done.

use serde::{Deserialize, Serialize};

/// The body of every answer with a status of 400 and above.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// For programs: `not_found`, `invalid_params`, …; never changes.
    pub id: String,
    /// For people: what is wrong and what to do.
    pub message: String,
    /// Where more about it can be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// What was looked for: `app`, `session`, `add_on`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
}

/// The ids of problems, as Heroku has them.
pub mod id {
    pub const BAD_REQUEST: &str = "bad_request";
    pub const CONFLICT: &str = "conflict";
    pub const FORBIDDEN: &str = "forbidden";
    pub const INTERNAL: &str = "internal_server_error";
    pub const INVALID_PARAMS: &str = "invalid_params";
    pub const METHOD_NOT_ALLOWED: &str = "method_not_allowed";
    pub const NOT_FOUND: &str = "not_found";
    pub const NOT_IMPLEMENTED: &str = "not_implemented";
    pub const RATE_LIMIT: &str = "rate_limit";
    pub const TOO_LARGE: &str = "request_entity_too_large";
    pub const UNAVAILABLE: &str = "service_unavailable";
    pub const UNAUTHORIZED: &str = "unauthorized";
}
