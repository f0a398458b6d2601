//! `/oauth/sessions`: the keys that logins gave.

use api_types::Time;
use axum::extract::State;
use domain::ApiKeyId;
use domain::account::ApiKey;
use serde::Serialize;

use crate::Api;
use crate::answer::Answer;
use crate::endpoint::{Access, Answers, Endpoints};
use crate::guard::{Caller, Named};
use crate::problem::Refusal;
use crate::range::{Key, ListRange, Listed};

pub(crate) fn endpoints() -> Endpoints {
    Endpoints::default().get("/oauth/sessions", Access::Account, Answers::Other, list).delete(
        "/oauth/sessions/{session}",
        Access::Account,
        Answers::Other,
        end,
    )
}

/// In no published schema; what the official CLI reads of it.
#[derive(Serialize)]
struct Session {
    created_at: Time,
    description: String,
    expires_at: Option<Time>,
    id: ApiKeyId,
}

impl From<&ApiKey> for Session {
    fn from(key: &ApiKey) -> Self {
        Self {
            created_at: key.created_at.into(),
            description: key.description.clone(),
            expires_at: key.expires_at.map(Time::from),
            id: key.id,
        }
    }
}

impl Listed for Session {
    const FIELDS: &'static [&'static str] = &["id"];

    fn key(&self, _: &str) -> Key {
        Key::Text(self.id.to_string())
    }
}

async fn list(State(api): State<Api>, Caller(caller): Caller, range: ListRange) -> Result<Answer, Refusal> {
    let keys = api.platform.accounts().keys(&caller).await?;
    range.answer(keys.iter().filter(|key| key.is_session).map(Session::from).collect())
}

/// Ends a session, `~` the one that asks: so does `heroku logout`. A key that
/// is none is what people put into environments and scripts: it is left alone.
async fn end(State(api): State<Api>, Caller(caller): Caller, Named(id): Named) -> Result<Answer, Refusal> {
    let wanted = if id == "~" { caller.key.to_string() } else { id };
    let keys = api.platform.accounts().keys(&caller).await?;
    let session = keys.iter().find(|key| key.is_session && key.id.to_string() == wanted);
    let session = session.ok_or_else(|| Refusal::not_found("session"))?;
    api.platform.accounts().revoke(&caller, &session.id.to_string()).await?;
    Answer::ok(&Session::from(session))
}
