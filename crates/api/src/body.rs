//! The JSON body of a request.

use axum::body::to_bytes;
use axum::extract::{FromRequest, Request};
use http_body_util::LengthLimitError;
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::Api;
use crate::problem::Refusal;

/// A body as the endpoint wants it. An empty one is `{}`: many clients send
/// none where nothing is to be said.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<Api> for Body<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, api: &Api) -> Result<Self, Refusal> {
        let limit = api.config.max_body_bytes;
        let too_large = || Refusal::too_large(format!("The body is larger than the limit of {limit} bytes."));
        let stated = request.headers().get(http::header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
        if stated.and_then(|length| length.parse::<u64>().ok()).is_some_and(|length| length > limit as u64) {
            return Err(too_large());
        }
        match to_bytes(request.into_body(), limit).await {
            Ok(bytes) => parse(&bytes).map(Self),
            Err(error) if is_too_large(&error) => Err(too_large()),
            Err(_) => Err(Refusal::bad_request("The body broke off; send the request again.")),
        }
    }
}

fn is_too_large(error: &axum::Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.is::<LengthLimitError>() {
            return true;
        }
        cause = error.source();
    }
    false
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refusal> {
    let bytes = if bytes.trim_ascii().is_empty() { b"{}" } else { bytes };
    // Whether it is JSON at all comes before what is in it.
    serde_json::from_slice::<IgnoredAny>(bytes)
        .map_err(|error| Refusal::bad_request(format!("The body is not valid JSON: {error}.")))?;
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    serde_path_to_error::deserialize(&mut reader)
        .map_err(|error| Refusal::invalid(name_field(&error.path().to_string(), &message(error.inner()))))
}

/// The error's text without the place in the text, which the path tells better.
fn message(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ").map_or(text.clone(), |(message, _)| message.to_owned())
}

fn name_field(path: &str, message: &str) -> String {
    match path {
        "." | "?" => format!("Invalid params: {message}."),
        path => format!("Invalid `{path}`: {message}."),
    }
}

#[cfg(test)]
mod tests {
    use api_types::formation::UpdateFormation;
    use api_types::log_drain::CreateLogDrain;
    use axum::response::IntoResponse;
    use http::StatusCode;

    use super::*;

    fn refused<T: DeserializeOwned>(text: &str) -> (StatusCode, String) {
        let Err(refusal) = parse::<T>(text.as_bytes()) else { panic!("{text} was read") };
        let shown = format!("{refusal:?}");
        (refusal.into_response().status(), shown)
    }

    #[test]
    fn what_is_not_json_is_a_bad_request() {
        for text in ["{", "nope", "{} {}", "{\"url\":\"a\"}x"] {
            assert_eq!(refused::<CreateLogDrain>(text).0, StatusCode::BAD_REQUEST, "{text}");
        }
    }

    #[test]
    fn a_field_of_the_wrong_type_is_named() {
        let (status, shown) = refused::<CreateLogDrain>(r#"{"url":5}"#);
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(shown.contains("Invalid `url`: invalid type: integer `5`, expected a string"), "{shown}");
        let (_, shown) = refused::<CreateLogDrain>("");
        assert!(shown.contains("missing field `url`"), "{shown}");
        let (_, shown) = refused::<UpdateFormation>(r#"{"updates":[{"type":"web"},{"type":"web","quantity":"many"}]}"#);
        assert!(shown.contains("updates[1]") && shown.contains("`many` is not a quantity"), "{shown}");
    }
}
