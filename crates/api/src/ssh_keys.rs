//! `/account/keys`.

use api_types::ssh_key::{CreateKey, Key};
use axum::extract::State;

use crate::Api;
use crate::answer::Answer;
use crate::body::Body;
use crate::endpoint::{Access, Answers, Endpoints};
use crate::guard::{Caller, Named};
use crate::problem::Refusal;
use crate::range::{self, ListRange, Listed};

pub(crate) fn endpoints() -> Endpoints {
    use Answers::{Many, One};

    Endpoints::default()
        .get("/account/keys", Access::Account, Many("key"), list)
        .post("/account/keys", Access::Account, One("key"), add)
        .get("/account/keys/{key}", Access::Account, One("key"), info)
        .delete("/account/keys/{key}", Access::Account, One("key"), remove)
}

impl Listed for Key {
    const FIELDS: &'static [&'static str] = &["id"];

    fn key(&self, _: &str) -> range::Key {
        range::Key::Text(self.id.to_string())
    }
}

async fn list(State(api): State<Api>, Caller(caller): Caller, range: ListRange) -> Result<Answer, Refusal> {
    let keys = api.platform.ssh_keys().list(&caller).await?;
    range.answer(keys.iter().map(|key| Key::new(key, &caller.account.email)).collect())
}

async fn add(State(api): State<Api>, Caller(caller): Caller, Body(wish): Body<CreateKey>) -> Result<Answer, Refusal> {
    let key = api.platform.ssh_keys().add(&caller, &wish.public_key).await?;
    Answer::created(&Key::new(&key, &caller.account.email))
}

async fn info(State(api): State<Api>, Caller(caller): Caller, Named(identity): Named) -> Result<Answer, Refusal> {
    let key = api.platform.ssh_keys().find(&caller, &identity).await?;
    Answer::ok(&Key::new(&key, &caller.account.email))
}

async fn remove(State(api): State<Api>, Caller(caller): Caller, Named(identity): Named) -> Result<Answer, Refusal> {
    let key = api.platform.ssh_keys().remove(&caller, &identity).await?;
    Answer::ok(&Key::new(&key, &caller.account.email))
}
