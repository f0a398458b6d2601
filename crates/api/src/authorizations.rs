//! `/oauth`: API keys, how the CLI gets one and gives it back.

use std::time::Duration;

use api_types::oauth::{AccessToken, Authorization, AuthorizationUser, CreateAuthorization, UpdateAuthorization};
use axum::extract::State;
use domain::Secret;
use domain::account::{Account, ApiKey};
use http::HeaderName;
use jiff::Timestamp;

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
        .patch("/oauth/authorizations/{authorization}", Access::Account, One("oauth-authorization"), update)
        .delete("/oauth/authorizations/{authorization}", Access::Account, One("oauth-authorization"), revoke)
        .post(
            "/oauth/authorizations/{authorization}/actions/regenerate-tokens",
            Access::Account,
            One("oauth-authorization"),
            rotate,
        )
}

impl Listed for Authorization {
    const FIELDS: &'static [&'static str] = &["id", "description"];

    fn key(&self, field: &str) -> Key {
        Key::Text(if field == "id" { self.id.to_string() } else { format!("{}\0{}", self.description, self.id) })
    }
}

/// With a password it is a login, and the key a session.
async fn create(
    State(api): State<Api>,
    LoggedIn { account, by_password }: LoggedIn,
    Body(wish): Body<CreateAuthorization>,
) -> Result<Answer, Refusal> {
    if wish.scope.as_ref().is_some_and(|scope| scope.iter().any(|scope| scope != "global")) {
        return Err(Refusal::invalid("Invalid `scope`: every key may do what its account may: use [\"global\"]."));
    }
    let description = wish.description.as_deref().unwrap_or("Long-lived user authorization");
    let expires_in = wish.expires_in.map(|seconds| Duration::from_secs(u64::from(seconds)));
    let accounts = api.platform.accounts();
    let (key, secret) = match by_password {
        true => accounts.begin_session(&account, description, expires_in).await?,
        false => accounts.issue_key(&account, description, expires_in).await?,
    };
    let answer = Answer::created(&shown(&account, &key, Some(&secret)))?;
    if !by_password || !account.has_one_time_password {
        return Ok(answer);
    }
    let warning = "Your password was for once: `heroku login`, without -i, lets you choose one of your own.";
    Ok(answer.header(HeaderName::from_static("x-heroku-warning"), warning.to_owned()))
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

async fn update(
    State(api): State<Api>,
    Caller(caller): Caller,
    Named(id): Named,
    Body(wish): Body<UpdateAuthorization>,
) -> Result<Answer, Refusal> {
    if wish.client.is_some() {
        return Err(Refusal::not_yet("OAuth clients are"));
    }
    let key = match wish.description {
        Some(description) => api.platform.accounts().describe_key(&caller, &id, &description).await?,
        None => api.platform.accounts().key(&caller, &id).await?,
    };
    Answer::ok(&shown(&caller.account, &key, None))
}

async fn rotate(State(api): State<Api>, Caller(caller): Caller, Named(id): Named) -> Result<Answer, Refusal> {
    let (key, secret) = api.platform.accounts().rotate_key(&caller, &id).await?;
    Answer::created(&shown(&caller.account, &key, Some(&secret)))
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
