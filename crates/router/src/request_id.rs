//! The id that ties a request's log lines together.

use http::{HeaderMap, HeaderName, HeaderValue};

pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The client's id if it is valid (20 to 200 of letters, digits, `+`, `/`,
/// `=`, `-`: Heroku's rule), else a new one.
pub(crate) fn request_id(headers: &HeaderMap) -> HeaderValue {
    let mut given = headers.get_all(X_REQUEST_ID).iter();
    match (given.next(), given.next()) {
        (Some(id), None) if is_valid(id.as_bytes()) => id.clone(),
        _ => HeaderValue::from_str(uuid::Uuid::new_v4().hyphenated().encode_lower(&mut uuid::Uuid::encode_buffer()))
            .unwrap_or_else(|_| HeaderValue::from_static("00000000-0000-0000-0000-000000000000")),
    }
}

fn is_valid(id: &[u8]) -> bool {
    (20..=200).contains(&id.len())
        && id.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_valid_id_is_kept_and_another_replaced() {
        let kept = |ids: &[&str]| {
            let mut headers = HeaderMap::new();
            for id in ids {
                headers.append(X_REQUEST_ID, HeaderValue::from_str(id).unwrap());
            }
            request_id(&headers) == ids[0]
        };
        assert!(kept(&["abcdefghijABCDEFGHIJ"]));
        assert!(kept(&[&"+/=-0".repeat(40)]));
        assert!(!kept(&["abcdefghijABCDEFGHI"]));
        assert!(!kept(&[&"a".repeat(201)]));
        assert!(!kept(&["abcdefghij ABCDEFGHIJ"]));
        assert!(!kept(&["abcdefghijABCDEFGHIJ", "abcdefghijABCDEFGHIJ"]));
        assert_eq!(request_id(&HeaderMap::new()).len(), 36);
    }
}
