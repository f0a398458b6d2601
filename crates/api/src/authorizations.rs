//! `/oauth`: API keys, how the CLI gets one and gives it back.

use std::time::Duration;

use api_types::oauth::{AccessToken, Authorization, AuthorizationUser, CreateAuthorization};
use axum::Json;
use axum::extract::State;
use domain::Secret;
use domain::account::{Account, ApiKey};
use jiff::Timestamp;
use serde_json::json;

use crate::Api;
use crate::answer::Answer;
use crate::body::Body;
use crate::endpoint::{Access, Answers, Endpoints};
use crate::guard::{Caller, LoggedIn, Named};
use crate::problem::Refusal;
use crate::range::{Key, ListRange, Listed};

/// Stands in place of a key that was told once and is known no more. No
/// client takes it for a shortened form of its own key.
const KEPT_BY_ITS_HOLDER: &str = "(known to its holder only)";

pub(crate) fn endpoints() -> Endpoints {
    use Answers::{Many, One};

    Endpoints::default()
        .post("/oauth/authorizations", Access::Login, One("oauth-authorization"), create)
        .get("/oauth/authorizations", Access::Account, Many("oauth-authorization"), list)
        .get("/oauth/authorizations/{authorization}", Access::Account, One("oauth-authorization"), info)
        .delete("/oauth/authorizations/{authorization}", Access::Account, One("oauth-authorization"), revoke)
        .get("/oauth/sessions", Access::Account, Answers::Other, sessions)
        .delete("/oauth/sessions/{session}", Access::Account, Answers::Other, end_session)
}

impl Listed for Authorization {
    const FIELDS: &'static [&'static str] = &["id", "description"];

    fn key(&self, field: &str) -> Key {
        Key::Text(if field == "id" { self.id.to_string() } else { format!("{}\0{}", self.description, self.id) })
    }
}

async fn create(
    State(api): State<Api>,
    LoggedIn(account): LoggedIn,
    Body(wish): Body<CreateAuthorization>,
) -> Result<Answer, Refusal> {
    if wish.scope.as_ref().is_some_and(|scope| scope.iter().any(|scope| scope != "global")) {
        return Err(Refusal::invalid("Invalid `scope`: every key may do what its account may: use [\"global\"]."));
    }
    let description = wish.description.as_deref().unwrap_or("Long-lived user authorization");
    let expires_in = wish.expires_in.map(|seconds| Duration::from_secs(u64::from(seconds)));
    let (key, secret) = api.platform.accounts().issue_key(&account, description, expires_in).await?;
    Answer::created(&shown(&account, &key, Some(&secret)))
}

async fn list(State(api): State<Api>, Caller(caller): Caller, range: ListRange) -> Result<Answer, Refusal> {
    let keys = api.platform.accounts().keys(&caller).await?;
    range.answer(keys.iter().map(|key| shown(&caller.account, key, None)).collect())
}

async fn info(State(api): State<Api>, Caller(caller): Caller, Named(id): Named) -> Result<Answer, Refusal> {
    let key = api.platform.accounts().key(&caller, &id).await?;
    Answer::ok(&shown(&caller.account, &key, None))
}

async fn revoke(State(api): State<Api>, Caller(caller): Caller, Named(id): Named) -> Result<Answer, Refusal> {
    let key = api.platform.accounts().revoke(&caller, &id).await?;
    Answer::ok(&shown(&caller.account, &key, None))
}

/// No key is a browser's session here.
async fn sessions() -> Json<[(); 0]> {
    Json([])
}

/// `heroku logout` ends its session: the key it calls with, if that came from
/// a login and so has an end. A key without end is what people put into
/// environments and scripts; it is left alone.
async fn end_session(State(api): State<Api>, Caller(caller): Caller, Named(id): Named) -> Result<Answer, Refusal> {
    let no_session = || Refusal::not_found("session");
    let key = api.platform.accounts().key(&caller, &caller.key.to_string()).await?;
    if (id != "~" && id != key.id.to_string()) || key.expires_at.is_none() {
        return Err(no_session());
    }
    let key = api.platform.accounts().revoke(&caller, &key.id.to_string()).await?;
    Answer::ok(&json!({ "id": key.id, "description": key.description }))
}

fn shown(account: &Account, key: &ApiKey, secret: Option<&Secret>) -> Authorization {
    let token = AccessToken {
        expires_in: key.expires_at.map(|at| (at.as_second() - Timestamp::now().as_second()).max(0)),
        id: key.id,
        token: secret.map_or(KEPT_BY_ITS_HOLDER, Secret::expose).to_owned(),
    };
    Authorization {
        access_token: Some(token),
        client: None,
        created_at: key.created_at.into(),
        description: key.description.clone(),
        grant: None,
        id: key.id,
        refresh_token: None,
        scope: vec!["global".to_owned()],
        session: None,
        updated_at: key.updated_at.into(),
        user: AuthorizationUser { email: account.email.clone(), full_name: account.name.clone(), id: account.id },
    }
}
