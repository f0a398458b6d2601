//! Log sessions: a URL under which an app's log can be read for a while by
//! whoever has it.

use std::sync::Arc;
use std::time::Duration;

use domain::{App, AppId};
use logs::{Filter, ProcessFilter, Source, Tail};
use serde::{Deserialize, Serialize};

use crate::Platform;
use crate::error::{PlatformError, Resource};
use crate::signed::Purpose;

/// A session can be opened (and opened again after a broken line) for this long.
const VALID_FOR: Duration = Duration::from_secs(3600);
/// Lines of history that a session starts with if it does not say.
const DEFAULT_LINES: usize = 100;
/// Lines of history at most: as many as are kept.
const MAX_LINES: usize = 1500;

pub struct LogSessions<'a> {
    pub(crate) platform: &'a Arc<Platform>,
}

/// What a session shows.
#[derive(Debug, Clone, Default)]
pub struct LogQuery {
    /// `app` or `heroku`.
    pub source: Option<String>,
    /// A dyno's name (`web.1`, `router`) or a process type.
    pub dyno: Option<String>,
    /// Counted after the filters.
    pub lines: Option<usize>,
    /// Whether the session goes on with lines that are yet to come.
    pub tail: bool,
}

#[derive(Serialize, Deserialize)]
struct Session {
    app: AppId,
    source: Option<String>,
    dyno: Option<String>,
    lines: usize,
    tail: bool,
    expires_s: i64,
}

impl LogSessions<'_> {
    /// The secret of a new session, for its URL.
    pub fn create(&self, app: &App, query: LogQuery) -> Result<String, PlatformError> {
        parse_source(query.source.as_deref())?;
        let session = Session {
            app: app.id,
            source: query.source,
            dyno: query.dyno,
            lines: query.lines.unwrap_or(DEFAULT_LINES).min(MAX_LINES),
            tail: query.tail,
            expires_s: (self.platform.now() + VALID_FOR).as_second(),
        };
        let payload = serde_json::to_string(&session).map_err(anyhow::Error::from)?;
        Ok(self.platform.signer.sign(Purpose::LogSession, &payload))
    }

    /// The lines of a session; `after`: only those behind this id.
    pub async fn open(&self, secret: &str, after: Option<u64>) -> Result<Tail, PlatformError> {
        let session = self.platform.signer.verify(Purpose::LogSession, secret);
        let session = session.and_then(|payload| serde_json::from_str::<Session>(&payload).ok());
        let not_found = || PlatformError::NotFound(Resource::LogSession);
        let session =
            session.filter(|session| session.expires_s > self.platform.now().as_second()).ok_or_else(not_found)?;
        if self.platform.store.apps().by_id(session.app).await?.is_none() {
            return Err(not_found());
        }
        let filter =
            Filter { source: parse_source(session.source.as_deref())?, process: session.dyno.map(ProcessFilter::new) };
        Ok(self.platform.logs.tail(session.app, filter, session.lines, session.tail, after))
    }
}

fn parse_source(source: Option<&str>) -> Result<Option<Source>, PlatformError> {
    match source {
        None | Some("") => Ok(None),
        Some("app") => Ok(Some(Source::App)),
        Some("heroku") => Ok(Some(Source::Heroku)),
        Some(other) => Err(PlatformError::Invalid(format!("`{other}` is not a log source: use app or heroku."))),
    }
}
