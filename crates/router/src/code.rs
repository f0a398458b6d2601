//! The router's error codes, as Heroku documents them.

use http::StatusCode;
use proxy::Fault;

/// A code of a router log line and of an error page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    /// App crashed
    H10,
    /// Backlog too deep
    H11,
    /// Request timeout
    H12,
    /// Connection closed without response
    H13,
    /// No web processes running
    H14,
    /// Idle connection
    H15,
    /// Poorly formatted HTTP response
    H17,
    /// Server Request Interrupted
    H18,
    /// Backend connection timeout
    H19,
    /// App boot timeout
    H20,
    /// Backend connection refused
    H21,
    /// Forced close
    H24,
    /// HTTP restriction
    H25,
    /// Request Error
    H26,
    /// Client Request Interrupted
    H27,
    /// Client Connection Idle
    H28,
    /// Maintenance mode
    H80,
    /// Blank app
    H81,
    /// Platform error
    H99,
}

/// A code and what made it: text for the log line, from a fixed set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) code: Code,
    pub(crate) cause: Option<&'static str>,
}

impl From<Code> for Failure {
    fn from(code: Code) -> Self {
        Self { code, cause: None }
    }
}

impl From<&Fault> for Failure {
    fn from(fault: &Fault) -> Self {
        let code = match fault {
            Fault::ConnectRefused(_) => Code::H21,
            Fault::ConnectTimedOut => Code::H19,
            Fault::FirstByteTimedOut => Code::H12,
            Fault::BackendIdle => Code::H15,
            Fault::ClosedWithoutResponse => Code::H13,
            Fault::ClosedInResponse => Code::H18,
            Fault::MalformedResponse(_) => Code::H17,
            Fault::Restricted(cause) => return Self { code: Code::H25, cause: Some(cause) },
            Fault::MalformedRequestBody => return Self { code: Code::H26, cause: Some("bad chunk") },
            Fault::ClientGone => Code::H27,
            Fault::ClientIdle => Code::H28,
        };
        code.into()
    }
}

impl Code {
    pub const fn description(self) -> &'static str {
        match self {
            Self::H10 => "App crashed",
            Self::H11 => "Backlog too deep",
            Self::H12 => "Request timeout",
            Self::H13 => "Connection closed without response",
            Self::H14 => "No web processes running",
            Self::H15 => "Idle connection",
            Self::H17 => "Poorly formatted HTTP response",
            Self::H18 => "Server Request Interrupted",
            Self::H19 => "Backend connection timeout",
            Self::H20 => "App boot timeout",
            Self::H21 => "Backend connection refused",
            Self::H24 => "Forced close",
            Self::H25 => "HTTP restriction",
            Self::H26 => "Request Error",
            Self::H27 => "Client Request Interrupted",
            Self::H28 => "Client Connection Idle",
            Self::H80 => "Maintenance mode",
            Self::H81 => "Blank app",
            Self::H99 => "Platform error",
        }
    }

    pub fn status(self) -> StatusCode {
        match self {
            Self::H25 => StatusCode::BAD_GATEWAY,
            Self::H26 => StatusCode::BAD_REQUEST,
            // "Client closed request": no name in any standard.
            Self::H27 | Self::H28 => StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST),
            _ => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The value of `at=`.
    pub(crate) const fn level(self) -> &'static str {
        match self {
            Self::H27 | Self::H28 => "warning",
            Self::H80 | Self::H81 => "info",
            _ => "error",
        }
    }

    /// The value of `sock=`, for the codes that have it.
    pub(crate) const fn sock(self) -> Option<&'static str> {
        match self {
            Self::H18 => Some("backend"),
            Self::H27 => Some("client"),
            _ => None,
        }
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self:?}")
    }
}
