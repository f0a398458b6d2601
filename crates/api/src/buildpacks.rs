//! `/apps/:app/buildpack-installations`, and the registry that the CLI asks
//! whether a buildpack exists.

use api_types::buildpack::{Buildpack, BuildpackInstallation, UpdateBuildpacks};
use api_types::stable_id;
use axum::extract::State;
use domain::buildpack::BuildpackRef;
use serde_json::json;

use crate::Api;
use crate::answer::Answer;
use crate::body::Body;
use crate::endpoint::{Access, Answers, Endpoints};
use crate::guard::{Caller, InApp, Named};
use crate::problem::Refusal;
use crate::range::{Key, ListRange, Listed};

pub(crate) fn endpoints() -> Endpoints {
    use Answers::Many;

    Endpoints::default()
        .get("/apps/{app}/buildpack-installations", Access::Member, Many("buildpack-installation"), list)
        .put("/apps/{app}/buildpack-installations", Access::Member, Many("buildpack-installation"), replace)
        .get("/buildpacks/{name}", Access::Open, Answers::Other, registry)
}

impl Listed for BuildpackInstallation {
    const FIELDS: &'static [&'static str] = &["ordinal"];

    fn key(&self, _: &str) -> Key {
        Key::Number(u64::from(self.ordinal))
    }
}

async fn list(State(api): State<Api>, InApp(app): InApp, range: ListRange) -> Result<Answer, Refusal> {
    range.answer(shown(&api.platform.buildpacks().list(&app).await?))
}

async fn replace(
    State(api): State<Api>,
    Caller(caller): Caller,
    InApp(app): InApp,
    Body(wish): Body<UpdateBuildpacks>,
) -> Result<Answer, Refusal> {
    let verbs = api.platform.buildpacks();
    let missing = |index| {
        let known = verbs.known().join(", ");
        let what = format!("Invalid `updates[{index}]`: `buildpack` is missing. If you gave a name, it is none that");
        Refusal::invalid(format!("{what} this platform has: use a URL, or one of {known}."))
    };
    let wanted = wish.updates.into_iter().enumerate();
    let buildpacks: Result<Vec<BuildpackRef>, Refusal> =
        wanted.map(|(index, update)| update.buildpack.ok_or_else(|| missing(index))).collect();
    Answer::ok(&shown(&verbs.replace(&caller, &app, buildpacks?).await?))
}

/// `GET /buildpacks/heroku%2Fnodejs`: whether the platform has it. The CLI
/// takes `blob_url` as what to set.
async fn registry(State(api): State<Api>, Named(name): Named) -> Result<Answer, Refusal> {
    let known = api.platform.buildpacks().known().into_iter().find(|known| *known == name);
    let (namespace, short) =
        known.and_then(|name| name.split_once('/')).ok_or_else(|| Refusal::not_found("buildpack"))?;
    Answer::ok(&json!({
        "id": stable_id("buildpack", &name),
        "name": short,
        "namespace": namespace,
        "blob_url": format!("urn:buildpack:{name}"),
        "category": "languages",
        "support": { "method": "unsupported" },
    }))
}

fn shown(buildpacks: &[BuildpackRef]) -> Vec<BuildpackInstallation> {
    let shown = (0..).zip(buildpacks);
    shown.map(|(ordinal, reference)| BuildpackInstallation { buildpack: Buildpack::from(reference), ordinal }).collect()
}
