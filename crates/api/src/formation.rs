//! `/apps/:app/formation`: scale and resize.

use api_types::AppRef;
use api_types::formation::{Formation, FormationWish, UpdateFormation};
use axum::extract::State;
use domain::ProcessType;
use platform::FormationChange;

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
        .get("/apps/{app}/formation", Access::Member, Many("formation"), list)
        .patch("/apps/{app}/formation", Access::Member, Many("formation"), update_many)
        .get("/apps/{app}/formation/{formation}", Access::Member, One("formation"), info)
        .patch("/apps/{app}/formation/{formation}", Access::Member, One("formation"), update)
}

impl Listed for Formation {
    const FIELDS: &'static [&'static str] = &["id", "type"];

    fn key(&self, field: &str) -> Key {
        Key::Text(if field == "type" { self.process_type.to_string() } else { self.id.to_string() })
    }
}

async fn list(State(api): State<Api>, InApp(app): InApp, range: ListRange) -> Result<Answer, Refusal> {
    let formation = api.platform.formation().list(&app).await?;
    range.answer(formation.iter().map(|row| Formation::new(AppRef::from(&app), row)).collect())
}

async fn info(State(api): State<Api>, InApp(app): InApp, Named(identity): Named) -> Result<Answer, Refusal> {
    let formation = api.platform.formation().find(&app, &identity).await?;
    Answer::ok(&Formation::new(AppRef::from(&app), &formation))
}

async fn update_many(
    State(api): State<Api>,
    Caller(caller): Caller,
    InApp(app): InApp,
    Body(wish): Body<UpdateFormation>,
) -> Result<Answer, Refusal> {
    let changes: Result<Vec<FormationChange>, Refusal> =
        wish.updates.into_iter().map(|update| change(update.process_type, update.wish)).collect();
    let changed = api.platform.formation().update(&caller, &app, &changes?).await?;
    let shown: Vec<Formation> = changed.iter().map(|row| Formation::new(AppRef::from(&app), row)).collect();
    Answer::ok(&shown)
}

async fn update(
    State(api): State<Api>,
    Caller(caller): Caller,
    InApp(app): InApp,
    Named(identity): Named,
    Body(wish): Body<FormationWish>,
) -> Result<Answer, Refusal> {
    let formation = api.platform.formation().find(&app, &identity).await?;
    let change = change(formation.process_type, wish)?;
    let changed = api.platform.formation().update(&caller, &app, &[change]).await?;
    let changed = changed.first().ok_or_else(|| Refusal::internal("a change of one process type changed none"))?;
    Answer::ok(&Formation::new(AppRef::from(&app), changed))
}

fn change(process_type: ProcessType, wish: FormationWish) -> Result<FormationChange, Refusal> {
    if wish.docker_image.is_some() {
        return Err(Refusal::invalid(
            "Invalid `docker_image`: releases of container images are not available here yet.",
        ));
    }
    let size = wish.wanted_size();
    Ok(FormationChange { process_type, quantity: wish.quantity, size })
}
