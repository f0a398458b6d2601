//! Which requests are well formed enough to be passed on.
//!
//! hyper has refused what is no HTTP at all, contradictory lengths among it;
//! this is the rest, where Heroku is stricter than hyper.

use http::header::{EXPECT, TRANSFER_ENCODING};
use http::{Method, Request, StatusCode, Version};

use crate::Limits;

/// Why a request is refused before any app sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("the request has no Host header")]
    NoHost,
    #[error("the request has more than one Host header")]
    TwoHosts,
    #[error("the Host header is neither a host name nor an address")]
    MalformedHost,
    #[error("the Host header and the request's target name different hosts")]
    OtherHost,
    #[error("the method is CONNECT, or longer than 127 characters")]
    Method,
    #[error("the request's target holds bytes that must be percent-encoded")]
    Target,
    #[error("the request line is too long")]
    LongRequestLine,
    #[error("a header line, or a header's name, is too long")]
    LongHeader,
    #[error("the Transfer-Encoding is not `chunked`")]
    TransferEncoding,
    #[error("the Expect header is not `100-continue`")]
    Expectation,
}

impl Refused {
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Expectation => StatusCode::EXPECTATION_FAILED,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// The `cause` of the H26 line.
    pub(crate) const fn cause(self) -> &'static str {
        match self {
            Self::Expectation => "unsupported expect header value",
            _ => "bad header",
        }
    }
}

/// Checks all but the host.
pub(crate) fn admit<B>(request: &Request<B>, limits: &Limits) -> Result<(), Refused> {
    const LONGEST_METHOD: usize = 127;
    let method = request.method();
    if method == Method::CONNECT || method.as_str().len() > LONGEST_METHOD {
        return Err(Refused::Method);
    }
    let target = request.uri().path_and_query().map_or("/", |path| path.as_str());
    if !target.bytes().all(|byte| (0x21..=0x7e).contains(&byte)) {
        return Err(Refused::Target);
    }
    let authority_bytes = request.uri().authority().map_or(0, |authority| "https://".len() + authority.as_str().len());
    let line_bytes = method.as_str().len() + " ".len() + authority_bytes + target.len() + " HTTP/1.1".len();
    if line_bytes > limits.request_line_bytes {
        return Err(Refused::LongRequestLine);
    }
    let long = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        let name_bytes = name.as_str().len();
        name_bytes > limits.header_name_bytes || name_bytes + ": ".len() + value.len() > limits.request_line_bytes
    };
    if request.headers().iter().any(long) {
        return Err(Refused::LongHeader);
    }
    let mut encodings = request.headers().get_all(TRANSFER_ENCODING).iter();
    if let Some(encoding) = encodings.next() {
        let chunked = encoding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked");
        if !chunked || encodings.next().is_some() || request.version() != Version::HTTP_11 {
            return Err(Refused::TransferEncoding);
        }
    }
    let expected = |value: &http::HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"100-continue");
    if !request.headers().get_all(EXPECT).iter().all(expected) {
        return Err(Refused::Expectation);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(edit: impl FnOnce(http::request::Builder) -> http::request::Builder) -> Result<(), Refused> {
        admit(&edit(Request::builder().uri("/a?b")).body(()).unwrap(), &Limits::default())
    }

    #[test]
    fn what_heroku_takes_is_taken() {
        assert_eq!(admitted(|request| request.method("PROPFIND")), Ok(()));
        assert_eq!(admitted(|request| request.header("transfer-encoding", "Chunked")), Ok(()));
        assert_eq!(admitted(|request| request.header("expect", "100-Continue")), Ok(()));
        assert_eq!(admitted(|request| request.uri("/\"{}|^")), Ok(()));
        assert_eq!(admitted(|request| request.header("x", "a".repeat(8192 - 3))), Ok(()));
    }

    #[test]
    fn what_heroku_refuses_is_refused() {
        assert_eq!(admitted(|request| request.method("CONNECT").uri("a:1")), Err(Refused::Method));
        assert_eq!(admitted(|request| request.method("A".repeat(128).as_str())), Err(Refused::Method));
        assert_eq!(admitted(|request| request.uri("/".repeat(8192))), Err(Refused::LongRequestLine));
        assert_eq!(admitted(|request| request.header("x", "a".repeat(8192 - 2))), Err(Refused::LongHeader));
        assert_eq!(admitted(|request| request.header("a".repeat(1001), "a")), Err(Refused::LongHeader));
        assert_eq!(admitted(|request| request.header("expect", "200-ok")), Err(Refused::Expectation));
        assert_eq!(admitted(|request| request.header("expect", "")), Err(Refused::Expectation));
        for encoding in ["gzip, chunked", "xchunked", "chunked, chunked", ""] {
            let refused = admitted(|request| request.header("transfer-encoding", encoding));
            assert_eq!(refused, Err(Refused::TransferEncoding), "{encoding}");
        }
        let twice = |request: http::request::Builder| {
            request.header("transfer-encoding", "chunked").header("transfer-encoding", "chunked")
        };
        assert_eq!(admitted(twice), Err(Refused::TransferEncoding));
    }
}
