//! Responses, and the bodies they have.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body::{Body, Frame};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use tokio::sync::mpsc;

use crate::exchange::Answer;
use crate::repositories::Refusal;
use crate::route::NoRoute;

/// The body of every response.
pub type GitBody = BoxBody<Bytes, io::Error>;

/// A body that is written elsewhere. When the client leaves, it is dropped,
/// and the writer's `closed()` tells.
struct ChannelBody(mpsc::Receiver<io::Result<Bytes>>);

impl Body for ChannelBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.0.poll_recv(context).map(|received| received.map(|piece| piece.map(Frame::data)))
    }
}

pub(crate) fn channel_body() -> (Answer, GitBody) {
    let (sender, receiver) = mpsc::channel(8);
    (sender, ChannelBody(receiver).boxed())
}

/// What git asks for, of this content type.
pub(crate) fn git(content_type: &str, body: GitBody) -> Response<GitBody> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(content_type) {
        headers.insert(header::CONTENT_TYPE, value);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, max-age=0, must-revalidate"));
    response
}

/// Text that git shows to its user with `remote: ` before it.
pub(crate) fn plain(status: StatusCode, text: &str) -> Response<GitBody> {
    let body = Full::new(Bytes::from(format!("{text}\n"))).map_err(|never| match never {}).boxed();
    let mut response = git("text/plain; charset=utf-8", body);
    *response.status_mut() = status;
    response
}

pub(crate) fn unauthorized(text: &str) -> Response<GitBody> {
    let mut response = plain(StatusCode::UNAUTHORIZED, text);
    let challenge = HeaderValue::from_static("Basic realm=\"Renga\"");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    response
}

pub(crate) fn busy(text: &str) -> Response<GitBody> {
    let mut response = plain(StatusCode::SERVICE_UNAVAILABLE, text);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    response
}

impl From<Refusal> for Response<GitBody> {
    fn from(refusal: Refusal) -> Self {
        let text = refusal.to_string();
        match refusal {
            Refusal::BadCredentials => unauthorized(&text),
            Refusal::Forbidden(_) => plain(StatusCode::FORBIDDEN, &text),
            Refusal::NotFound => plain(StatusCode::NOT_FOUND, &text),
            Refusal::Unavailable(_) => busy(&text),
        }
    }
}

impl From<NoRoute> for Response<GitBody> {
    fn from(no_route: NoRoute) -> Self {
        match no_route {
            NoRoute::NotFound => plain(StatusCode::NOT_FOUND, "There is no such repository"),
            NoRoute::MethodNotAllowed => {
                plain(StatusCode::METHOD_NOT_ALLOWED, "Git does not call this path in this way")
            }
            NoRoute::DumbProtocol => plain(StatusCode::FORBIDDEN, "This git client is too old: smart HTTP is needed"),
        }
    }
}

/// One pkt-line (gitprotocol-common(5)).
pub(crate) fn pkt_line(text: &[u8]) -> Bytes {
    let text = &text[..text.len().min(65_000)];
    [format!("{:04x}", text.len() + 4).as_bytes(), text].concat().into()
}

/// An error in place of an answer.
pub(crate) fn complain(why: &str) -> Bytes {
    pkt_line(format!("ERR {why}\n").as_bytes())
}

/// An error in place of the answer to a push, on the side-band for errors.
pub(crate) fn complain_aside(why: &str) -> Bytes {
    pkt_line(format!("\u{3}{why}\n").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pkt_lines_count_themselves() {
        assert_eq!(pkt_line(b"# service=git-upload-pack\n"), "001e# service=git-upload-pack\n");
        assert_eq!(complain("no"), "000bERR no\n");
        assert_eq!(complain_aside("no"), "0008\u{3}no\n");
    }
}
