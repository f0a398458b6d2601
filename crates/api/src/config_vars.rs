//! `/apps/:app/config-vars`.

use api_types::config_var::{UpdateConfig, config_map};
use axum::extract::State;

use crate::Api;
use crate::answer::Answer;
use crate::body::Body;
use crate::endpoint::{Access, Answers, Endpoints};
use crate::guard::{Caller, InApp, Named};
use crate::problem::Refusal;

pub(crate) fn endpoints() -> Endpoints {
    Endpoints::default()
        .get("/apps/{app}/config-vars", Access::Member, Answers::ConfigVars, info)
        .patch("/apps/{app}/config-vars", Access::Member, Answers::ConfigVars, update)
        .get("/apps/{app}/releases/{release}/config-vars", Access::Member, Answers::ConfigVars, of_release)
}

async fn info(State(api): State<Api>, InApp(app): InApp) -> Result<Answer, Refusal> {
    Answer::ok(&config_map(&api.platform.config().vars(&app).await?))
}

async fn update(
    State(api): State<Api>,
    Caller(caller): Caller,
    InApp(app): InApp,
    Body(changes): Body<UpdateConfig>,
) -> Result<Answer, Refusal> {
    Answer::ok(&config_map(&api.platform.config().change(&caller, &app, changes).await?))
}

async fn of_release(State(api): State<Api>, InApp(app): InApp, Named(release): Named) -> Result<Answer, Refusal> {
    let release = api.platform.releases().find(&app, &release).await?;
    Answer::ok(&config_map(&api.platform.config().of_release(&release).await?))
}
