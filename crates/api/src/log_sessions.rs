//! `/apps/:app/log-sessions`, and the streams behind their URLs.

use std::convert::Infallible;
use std::time::Duration;

use api_types::log_session::{CreateLogSession, LogSession};
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use domain::LogSessionId;
use futures::{Stream, StreamExt};
use http::{HeaderMap, header};
use jiff::Timestamp;
use logs::Batch;
use platform::LogQuery;
use tokio::time::timeout;
use uuid::Uuid;

use crate::answer::Answer;
use crate::body::Body;
use crate::endpoint::{Access, Answers, Endpoints};
use crate::guard::{InApp, Named};
use crate::origin::Origin;
use crate::problem::Refusal;
use crate::{Api, streams};

pub(crate) fn endpoints() -> Endpoints {
    Endpoints::default().post("/apps/{app}/log-sessions", Access::Member, Answers::One("log-session"), create).get(
        "/log-sessions/{secret}",
        Access::SecretUrl,
        Answers::Stream,
        read,
    )
}

async fn create(
    State(api): State<Api>,
    InApp(app): InApp,
    origin: Origin,
    Body(wish): Body<CreateLogSession>,
) -> Result<Answer, Refusal> {
    let query = LogQuery {
        dyno: wish.wanted_dyno().map(str::to_owned),
        lines: wish.lines.map(|lines| lines as usize),
        source: wish.source.filter(|source| !source.is_empty()),
        tail: wish.tail.unwrap_or(false),
    };
    let secret = api.platform.log_sessions().create(&app, query)?;
    let now = Timestamp::now().into();
    Answer::created(&LogSession {
        created_at: now,
        id: LogSessionId(Uuid::new_v4()),
        logplex_url: origin.url(&format!("/log-sessions/{secret}")),
        updated_at: now,
    })
}

/// Server-sent events for who asks for them, else lines of plain text. The
/// end of the stream is the end of what was asked for.
async fn read(State(api): State<Api>, Named(secret): Named, headers: HeaderMap) -> Result<Response, Refusal> {
    let text_of = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let after = text_of("last-event-id").and_then(|id| id.trim().parse().ok());
    let batches = api.platform.log_sessions().open(&secret, after).await?.into_stream();
    let wants_events = text_of(header::ACCEPT.as_str()).is_some_and(|accept| accept.contains("text/event-stream"));
    Ok(match wants_events {
        true => streams::typed("text/event-stream", events(batches, api.config.heartbeat)),
        false => streams::text(batches.map(|batch| Ok::<_, Infallible>(plain(&batch)))),
    })
}

fn plain(batch: &Batch) -> Bytes {
    let mut text = String::new();
    for (_, line) in batch {
        text.push_str(&line.render());
        text.push('\n');
    }
    text.into()
}

fn framed(batch: &Batch) -> Bytes {
    let mut text = String::new();
    for (id, line) in batch {
        text.push_str(&format!("id: {id}\ndata: {}\n\n", line.render()));
    }
    text.into()
}

/// A comment opens the stream, so that the client knows that it stands, and
/// another is sent whenever nothing else was for as long as a heartbeat.
fn events(
    batches: impl Stream<Item = Batch> + Send + 'static,
    heartbeat: Duration,
) -> impl Stream<Item = Result<Bytes, Infallible>> + Send + 'static {
    const ALIVE: Bytes = Bytes::from_static(b": alive\n\n");
    let rest = futures::stream::unfold(Box::pin(batches), move |mut batches| async move {
        match timeout(heartbeat, batches.next()).await {
            Ok(Some(batch)) => Some((Ok(framed(&batch)), batches)),
            Ok(None) => None,
            Err(_) => Some((Ok(ALIVE), batches)),
        }
    });
    futures::stream::once(async { Ok(ALIVE) }).chain(rest)
}
