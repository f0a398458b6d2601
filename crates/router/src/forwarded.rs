//! The headers that tell a dyno, and a client, of the router between them.

use std::net::IpAddr;

use http::header::{SERVER, VIA};
use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use proxy::Client;

use crate::request_id::X_REQUEST_ID;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const X_REQUEST_START: HeaderName = HeaderName::from_static("x-request-start");
/// The value that apps see on Heroku; some look for it.
const VIA_US: &str = "1.1 heroku-router";

/// The value of `X-Forwarded-For`: what the client says, then what we see.
pub(crate) fn forwarded_for(headers: &HeaderMap, peer: IpAddr) -> HeaderValue {
    appended(headers, &X_FORWARDED_FOR, &peer.to_canonical().to_string())
}

/// Sets what the dyno is told. The client's `X-Forwarded-Proto` and `-Port`
/// are not believed.
pub(crate) fn tell_dyno(headers: &mut HeaderMap, client: &Client, forwarded_for: HeaderValue, id: HeaderValue) {
    let via = appended(headers, &VIA, VIA_US);
    headers.insert(X_FORWARDED_FOR, forwarded_for);
    headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(client.scheme.as_str()));
    headers.insert(X_FORWARDED_PORT, HeaderValue::from(client.port));
    headers.insert(X_REQUEST_START, HeaderValue::from(Timestamp::now().as_millisecond()));
    headers.insert(X_REQUEST_ID, id);
    headers.insert(VIA, via);
}

/// Sets what the client is told on top of the dyno's answer.
pub(crate) fn tell_client(headers: &mut HeaderMap) {
    let via = appended(headers, &VIA, VIA_US);
    headers.insert(VIA, via);
    headers.entry(SERVER).or_insert(HeaderValue::from_static("renga"));
}

/// All lines of that name and one more value, as one line.
fn appended(headers: &HeaderMap, name: &HeaderName, value: &str) -> HeaderValue {
    let mut joined = Vec::new();
    for line in headers.get_all(name) {
        if !line.as_bytes().trim_ascii().is_empty() {
            joined.extend_from_slice(line.as_bytes());
            joined.extend_from_slice(b", ");
        }
    }
    joined.extend_from_slice(value.as_bytes());
    // Each part was a header value; joined with commas they are one.
    HeaderValue::from_bytes(&joined).unwrap_or_else(|_| HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use proxy::Scheme;

    use super::*;

    #[test]
    fn our_view_comes_last_and_a_client_s_scheme_is_not_believed() {
        let mut headers = HeaderMap::new();
        headers.append(X_FORWARDED_FOR, HeaderValue::from_static("1.2.3.4, 5.6.7.8"));
        headers.append(X_FORWARDED_FOR, HeaderValue::from_static("9.9.9.9"));
        headers.append(X_FORWARDED_PROTO, HeaderValue::from_static("https"));
        headers.append(X_FORWARDED_PORT, HeaderValue::from_static("1"));
        headers.append(X_FORWARDED_PORT, HeaderValue::from_static("2"));
        headers.append(VIA, HeaderValue::from_static("1.0 fred"));
        let client = Client::new("[::ffff:127.0.0.1]:4321".parse().unwrap(), Scheme::Http, 5000);
        let forwarded_for = forwarded_for(&headers, client.peer.ip());
        tell_dyno(&mut headers, &client, forwarded_for, HeaderValue::from_static("id"));
        assert_eq!(headers[X_FORWARDED_FOR], "1.2.3.4, 5.6.7.8, 9.9.9.9, 127.0.0.1");
        assert_eq!(headers[X_FORWARDED_PROTO], "http");
        assert_eq!(headers.get_all(X_FORWARDED_PORT).iter().collect::<Vec<_>>(), ["5000"]);
        assert_eq!(headers[VIA], "1.0 fred, 1.1 heroku-router");
        assert_eq!(headers[X_REQUEST_ID], "id");
        assert_eq!(headers[X_REQUEST_START].len(), 13);
    }
}
