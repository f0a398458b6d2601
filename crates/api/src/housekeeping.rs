//! `/renga/…`: what the owner does to keep the platform in order.

use api_types::housekeeping::{CollectGarbage, CollectedGarbage, Disk, DiskUse, KeyRotation};
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use futures::{StreamExt, stream};
use platform::{Found, GcEvent, KeyProgress};
use serde::Serialize;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::answer::Answer;
use crate::body::Body;
use crate::endpoint::{Access, Answers, Endpoints};
use crate::problem::Refusal;
use crate::{Api, streams};

pub(crate) fn endpoints() -> Endpoints {
    Endpoints::default()
        .get("/renga/disk", Access::Operator, Answers::Other, disk)
        .post("/renga/gc", Access::Operator, Answers::Stream, collect)
        .post("/renga/keys/rotate", Access::Operator, Answers::Stream, rotate_keys)
}

async fn disk(State(api): State<Api>) -> Result<Answer, Refusal> {
    let usage = api.platform.housekeeping().disk_usage().await?;
    let uses =
        usage.uses.into_iter().map(|one| DiskUse { name: one.name.to_owned(), files: one.files, bytes: one.bytes });
    Answer::ok(&Disk {
        total_bytes: usage.filesystem.total_bytes,
        available_bytes: usage.filesystem.available_bytes,
        uses: uses.collect(),
    })
}

async fn collect(State(api): State<Api>, Body(wish): Body<CollectGarbage>) -> Result<Response, Refusal> {
    let events = api.platform.housekeeping().collect(wish.dry_run).await?;
    Ok(lines(events, shown))
}

fn shown(event: GcEvent) -> CollectedGarbage {
    let (kind, items, bytes, problem) = match event {
        GcEvent::Collected(Found { kind, items, bytes }) => (kind, items, bytes, None),
        GcEvent::Problem { kind, reason } => (kind, 0, 0, Some(reason)),
    };
    CollectedGarbage { kind: kind.name().to_owned(), items, bytes, problem }
}

async fn rotate_keys(State(api): State<Api>) -> Result<Response, Refusal> {
    let progress = api.platform.sealing_keys().rotate().await?;
    let shown =
        |KeyProgress { key, resealed, left, dropped, problem }| KeyRotation { key, resealed, left, dropped, problem };
    Ok(lines(progress, shown))
}

/// A line of JSON for each, as it comes.
fn lines<E: Send + 'static, T: Serialize + 'static>(events: UnboundedReceiver<E>, shown: fn(E) -> T) -> Response {
    let events = stream::unfold(events, async |mut events| Some((events.recv().await?, events)));
    let line = move |event| {
        let mut line = serde_json::to_vec(&shown(event))?;
        line.push(b'\n');
        Ok::<_, serde_json::Error>(Bytes::from(line))
    };
    streams::typed("application/x-ndjson", events.map(line))
}
