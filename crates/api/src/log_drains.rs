//! `/apps/:app/log-drains`.

use api_types::AppRef;
use api_types::log_drain::{CreateLogDrain, LogDrain};
use axum::extract::State;

use crate::Api;
use crate::answer::Answer;
use crate::body::Body;
use crate::endpoint::{Access, Answers, Endpoints};
use crate::guard::{Caller, InApp, Named};
use crate::problem::Refusal;
use crate::range::{Key, ListRange, Listed};

pub(crate) fn endpoints() -> Endpoints {
    use Answers::{Many, One};

    Endpoints::default()
        .get("/apps/{app}/log-drains", Access::Member, Many("log-drain"), list)
        .post("/apps/{app}/log-drains", Access::Member, One("log-drain"), add)
        .get("/apps/{app}/log-drains/{drain}", Access::Member, One("log-drain"), info)
        .delete("/apps/{app}/log-drains/{drain}", Access::Member, One("log-drain"), remove)
}

impl Listed for LogDrain {
    const FIELDS: &'static [&'static str] = &["id"];

    fn key(&self, _: &str) -> Key {
        Key::Text(self.id.to_string())
    }
}

async fn list(State(api): State<Api>, InApp(app): InApp, range: ListRange) -> Result<Answer, Refusal> {
    let drains = api.platform.drains().list(&app).await?;
    range.answer(drains.iter().map(|drain| LogDrain::new(AppRef::from(&app), drain)).collect())
}

async fn add(
    State(api): State<Api>,
    Caller(caller): Caller,
    InApp(app): InApp,
    Body(wish): Body<CreateLogDrain>,
) -> Result<Answer, Refusal> {
    let drain = api.platform.drains().add(&caller, &app, &wish.url).await?;
    Answer::created(&LogDrain::new(AppRef::from(&app), &drain))
}

async fn info(State(api): State<Api>, InApp(app): InApp, Named(identity): Named) -> Result<Answer, Refusal> {
    let drain = api.platform.drains().find(&app, &identity).await?;
    Answer::ok(&LogDrain::new(AppRef::from(&app), &drain))
}

async fn remove(
    State(api): State<Api>,
    Caller(caller): Caller,
    InApp(app): InApp,
    Named(identity): Named,
) -> Result<Answer, Refusal> {
    let drain = api.platform.drains().remove(&caller, &app, &identity).await?;
    Answer::ok(&LogDrain::new(AppRef::from(&app), &drain))
}
