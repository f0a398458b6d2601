//! A request made ready to go to a backend.

use http::header::{CONNECTION, EXPECT, HeaderMap, HeaderValue, TE, TRANSFER_ENCODING, UPGRADE};
use http::{Method, Request, Uri, Version};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;

use crate::headers;
use crate::request_body::RequestBody;

/// A client's request without what belonged to the client's connection:
/// origin-form target, hop-by-hop headers removed, `Expect` answered here.
/// Set further headers by [`Outgoing::headers_mut`].
pub struct Outgoing {
    pub(crate) request: Request<RequestBody>,
    /// The client's side of an upgrade, if it asked for one.
    pub(crate) upgrade: Option<OnUpgrade>,
}

impl Outgoing {
    pub fn new(mut request: Request<Incoming>) -> Self {
        let protocol = headers::upgrade(request.headers()).filter(|_| request.version() == Version::HTTP_11);
        let upgrade = protocol.as_ref().map(|_| hyper::upgrade::on(&mut request));
        let chunked = request.headers().contains_key(TRANSFER_ENCODING);
        let trailers = headers::wants_trailers(request.headers());

        let mut request = request.map(RequestBody::new);
        *request.version_mut() = Version::HTTP_11;
        *request.uri_mut() = origin_form(request.uri());
        let map = request.headers_mut();
        headers::remove_hop_by_hop(map);
        map.remove(EXPECT);
        // hyper frames by the body, but leaves a GET's chunked body out
        // unless told so.
        if chunked {
            map.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        if let Some(protocol) = protocol {
            map.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
            map.insert(UPGRADE, protocol);
        } else if trailers {
            map.insert(CONNECTION, HeaderValue::from_static("TE"));
            map.insert(TE, HeaderValue::from_static("trailers"));
        }
        Self { request, upgrade }
    }

    pub fn headers_mut(&mut self) -> &mut HeaderMap {
        self.request.headers_mut()
    }

    /// Whether it may be sent again after a connection broke without an
    /// answer (RFC 9110 section 9.2.2: safe methods; only those without body,
    /// which would be gone).
    pub(crate) fn is_repeatable(&self) -> bool {
        let safe = matches!(*self.request.method(), Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE);
        safe && self.request.body().is_empty() && self.upgrade.is_none()
    }

    /// A second copy of a repeatable request.
    pub(crate) fn head_only(&self) -> Request<RequestBody> {
        let mut copy = Request::new(RequestBody::empty());
        *copy.method_mut() = self.request.method().clone();
        *copy.uri_mut() = self.request.uri().clone();
        *copy.headers_mut() = self.request.headers().clone();
        *copy.extensions_mut() = self.request.extensions().clone();
        copy
    }
}

fn origin_form(uri: &Uri) -> Uri {
    match uri.path_and_query() {
        Some(path) => Uri::from(path.clone()),
        None => Uri::from_static("/"),
    }
}
