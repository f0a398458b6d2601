//! `/apps/:app/buildpack-installations`: which buildpacks an app has.

use api_types::buildpack::{Buildpack, BuildpackInstallation, UpdateBuildpacks};
use axum::extract::State;
use domain::buildpack::BuildpackRef;

use crate::Api;
use crate::answer::Answer;
use crate::body::Body;
use crate::endpoint::{Access, Answers, Endpoints};
use crate::guard::{Caller, InApp};
use crate::problem::Refusal;
use crate::range::{Key, ListRange, Listed};

pub(crate) fn endpoints() -> Endpoints {
    use Answers::Many;

    Endpoints::default()
        .get("/apps/{app}/buildpack-installations", Access::Member, Many("buildpack-installation"), list)
        .put("/apps/{app}/buildpack-installations", Access::Member, Many("buildpack-installation"), replace)
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
    let missing = |index| Refusal::invalid(format!("Invalid `updates[{index}]`: `buildpack` is missing."));
    let wanted = wish.updates.into_iter().enumerate();
    let buildpacks: Result<Vec<BuildpackRef>, Refusal> =
        wanted.map(|(index, update)| update.buildpack.ok_or_else(|| missing(index))).collect();
    Answer::ok(&shown(&verbs.replace(&caller, &app, buildpacks?).await?))
}

fn shown(buildpacks: &[BuildpackRef]) -> Vec<BuildpackInstallation> {
    let shown = (0..).zip(buildpacks);
    shown.map(|(ordinal, reference)| BuildpackInstallation { buildpack: Buildpack::from(reference), ordinal }).collect()
}
