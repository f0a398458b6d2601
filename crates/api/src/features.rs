//! Features of apps and accounts. There are none of accounts here.

use api_types::feature::{Feature, UpdateFeature};
use api_types::stable_id;
use axum::Json;
use axum::extract::State;
use domain::App;
use platform::FeatureState;

use crate::Api;
use crate::answer::Answer;
use crate::body::Body;
use crate::endpoint::{Access, Answers, Endpoints};
use crate::guard::{Caller, InApp, Named};
use crate::problem::Refusal;
use crate::range::{Key, ListRange, Listed};

pub(crate) fn endpoints() -> Endpoints {
    use Answers::{Many, NoneOf, One, Problem};

    Endpoints::default()
        .get("/account/features", Access::Account, NoneOf("account-feature"), none_of_account)
        .get("/account/features/{feature}", Access::Account, Problem, not_of_account)
        .patch("/account/features/{feature}", Access::Account, Problem, not_of_account)
        .get("/apps/{app}/features", Access::Member, Many("app-feature"), list)
        .get("/apps/{app}/features/{feature}", Access::Member, One("app-feature"), info)
        .patch("/apps/{app}/features/{feature}", Access::Member, One("app-feature"), update)
}

impl Listed for Feature {
    const FIELDS: &'static [&'static str] = &["name", "id"];

    fn key(&self, field: &str) -> Key {
        Key::Text(if field == "id" { self.id.to_string() } else { self.name.clone() })
    }
}

async fn none_of_account() -> Json<[(); 0]> {
    Json([])
}

/// The CLI then looks among the app's.
async fn not_of_account() -> Refusal {
    Refusal::not_found("feature")
}

async fn list(State(api): State<Api>, InApp(app): InApp, range: ListRange) -> Result<Answer, Refusal> {
    let features = api.platform.features().list(&app).await?;
    range.answer(features.iter().map(|state| shown(&app, state)).collect())
}

async fn info(State(api): State<Api>, InApp(app): InApp, Named(identity): Named) -> Result<Answer, Refusal> {
    let name = name_of(&api, &app, &identity).await?;
    Answer::ok(&shown(&app, &api.platform.features().find(&app, &name).await?))
}

async fn update(
    State(api): State<Api>,
    Caller(caller): Caller,
    InApp(app): InApp,
    Named(identity): Named,
    Body(wish): Body<UpdateFeature>,
) -> Result<Answer, Refusal> {
    let name = name_of(&api, &app, &identity).await?;
    Answer::ok(&shown(&app, &api.platform.features().set(&caller, &app, &name, wish.enabled).await?))
}

/// The name of a feature that may be given by its id.
async fn name_of(api: &Api, app: &App, identity: &str) -> Result<String, Refusal> {
    let features = api.platform.features().list(app).await?;
    let by_id = features.iter().find(|state| stable_id("feature", state.feature.name).to_string() == identity);
    Ok(by_id.map_or_else(|| identity.to_owned(), |state| state.feature.name.to_owned()))
}

fn shown(app: &App, state: &FeatureState) -> Feature {
    let feature = state.feature;
    Feature {
        created_at: app.created_at.into(),
        description: feature.description.to_owned(),
        display_name: feature.title.to_owned(),
        doc_url: String::new(),
        enabled: state.enabled,
        feedback_email: String::new(),
        id: stable_id("feature", feature.name),
        name: feature.name.to_owned(),
        // `heroku features` shows those that are general, `heroku labs` the others.
        state: if state.feature.always_on { "general" } else { "beta" }.to_owned(),
        updated_at: state.enabled_at.unwrap_or(app.created_at).into(),
    }
}
