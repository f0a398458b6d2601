//! How an exchange can fail, told by whose fault it is.

/// Why an exchange did not come to its proper end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("the backend refuses connections: {0}")]
    ConnectRefused(String),
    #[error("the backend did not take the connection in time")]
    ConnectTimedOut,
    /// Nothing of the response came in time.
    #[error("the backend did not answer in time")]
    FirstByteTimedOut,
    /// The response, or a tunnel, stood still for too long.
    #[error("the backend sent nothing for too long")]
    BackendIdle,
    #[error("the backend closed the connection without an answer")]
    ClosedWithoutResponse,
    #[error("the backend closed the connection in the middle of its answer")]
    ClosedInResponse,
    #[error("the backend's answer is not HTTP: {0}")]
    MalformedResponse(String),
    /// A limit on the response's head was passed; the text names which.
    #[error("the backend's answer passes a limit: {0}")]
    Restricted(&'static str),
    #[error("the client sent a malformed body")]
    MalformedRequestBody,
    #[error("the client closed the connection")]
    ClientGone,
    #[error("the client sent or took nothing for too long")]
    ClientIdle,
}

impl Fault {
    /// Whether the client, not the backend, is to blame.
    pub const fn is_client(&self) -> bool {
        matches!(self, Self::MalformedRequestBody | Self::ClientGone | Self::ClientIdle)
    }

    /// Reads hyper's client error for a request that was (partly) sent.
    /// `received`: whether any byte of the response had come.
    pub(crate) fn of_exchange(error: &hyper::Error, received: bool) -> Self {
        if error.is_parse() {
            // Heroku tells this one apart; hyper does only in its text.
            if error.to_string().contains("content-length") {
                return Self::Restricted("invalid content length");
            }
            return Self::MalformedResponse(error.to_string());
        }
        if received { Self::ClosedInResponse } else { Self::ClosedWithoutResponse }
    }
}
