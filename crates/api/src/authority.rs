//! `/renga/authority.pem`: the certificate of the platform's own authority, so
//! that a client can come to trust it (it compares the fingerprint first).

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header;

use crate::Api;
use crate::endpoint::{Access, Answers, Endpoints};
use crate::problem::Refusal;

pub(crate) fn endpoints() -> Endpoints {
    Endpoints::default().get("/renga/authority.pem", Access::Open, Answers::Stream, certificate)
}

async fn certificate(State(api): State<Api>) -> Result<Response, Refusal> {
    let pem = api.config.authority_pem.clone().ok_or_else(|| Refusal::not_found("authority"))?;
    Ok(([(header::CONTENT_TYPE, "application/x-pem-file")], pem).into_response())
}
