//! `/sources`: where clients put tarballs, under URLs that are secrets.

use api_types::source::{Source, SourceUrls};
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use tokio_util::io::ReaderStream;

use crate::answer::Answer;
use crate::endpoint::{Access, Answers, Endpoints};
use crate::guard::Named;
use crate::origin::Origin;
use crate::problem::Refusal;
use crate::{Api, streams};

pub(crate) fn endpoints() -> Endpoints {
    Endpoints::default()
        .post("/sources", Access::Account, Answers::One("source"), create)
        .post("/apps/{app}/sources", Access::Member, Answers::One("source"), create)
        .put("/sources/{secret}", Access::SecretUrl, Answers::Stream, put)
        .get("/sources/{secret}", Access::SecretUrl, Answers::Stream, get)
}

async fn create(State(api): State<Api>, origin: Origin) -> Result<Answer, Refusal> {
    let source = api.platform.sources().create().await?;
    let urls = SourceUrls { get_url: origin.url(&source.get_path), put_url: origin.url(&source.put_path) };
    Answer::created(&Source { source_blob: urls })
}

/// Takes a tarball of any content type: clients send it with none.
async fn put(State(api): State<Api>, Named(secret): Named, body: Body) -> Result<StatusCode, Refusal> {
    api.platform.sources().put(&secret, body.into_data_stream()).await?;
    Ok(StatusCode::OK)
}

async fn get(State(api): State<Api>, Named(secret): Named) -> Result<Response, Refusal> {
    let file = api.platform.sources().get(&secret).await?;
    Ok(streams::typed("application/octet-stream", ReaderStream::with_capacity(file, 64 * 1024)))
}
