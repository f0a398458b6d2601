//! `/apps/:app/dynos` and `/apps/:app/formations`: what runs, restart, stop,
//! and one-off runs.

use api_types::AppRef;
use api_types::dyno::{CreateDyno, Dyno, Empty, Extended};
use api_types::region::REGION;
use axum::extract::{RawQuery, State};
use platform::{RunRequest, Selection};

use crate::Api;
use crate::answer::Answer;
use crate::body::Body;
use crate::endpoint::{Access, Answers, Endpoints};
use crate::guard::{Caller, InApp, Named};
use crate::origin::Origin;
use crate::problem::Refusal;
use crate::range::{Key, ListRange, Listed};

pub(crate) fn endpoints() -> Endpoints {
    use Access::Member;
    use Answers::{Empty, Many, One};

    Endpoints::default()
        .get("/apps/{app}/dynos", Member, Many("dyno"), list)
        .post("/apps/{app}/dynos", Member, One("dyno"), run)
        .delete("/apps/{app}/dynos", Member, Empty, restart_all)
        .get("/apps/{app}/dynos/{dyno}", Member, One("dyno"), info)
        .delete("/apps/{app}/dynos/{dyno}", Member, Empty, restart)
        .post("/apps/{app}/dynos/{dyno}/actions/stop", Member, Empty, stop)
        .delete("/apps/{app}/formations/{type}", Member, Empty, restart_type)
        .post("/apps/{app}/formations/{type}/actions/stop", Member, Empty, stop_type)
}

impl Listed for Dyno {
    const FIELDS: &'static [&'static str] = &["id", "name"];

    fn key(&self, field: &str) -> Key {
        // Two dynos may bear a name for the moment of a release.
        Key::Text(if field == "name" { format!("{}\0{}", self.name, self.id) } else { self.id.to_string() })
    }
}

async fn list(
    State(api): State<Api>,
    InApp(app): InApp,
    RawQuery(query): RawQuery,
    range: ListRange,
) -> Result<Answer, Refusal> {
    let dynos = api.platform.dynos().list(&app).await?;
    let extended = query.is_some_and(|query| query.split('&').any(|pair| pair == "extended=true"));
    let shown =
        dynos.iter().map(|dyno| Dyno { extended: extended.then(extended_info), ..Dyno::new(AppRef::from(&app), dyno) });
    range.answer(shown.collect())
}

/// One machine has one region and no planes, fleets or zones.
fn extended_info() -> Extended {
    Extended {
        az: None,
        execution_plane: None,
        fleet: None,
        instance: None,
        ip: None,
        port: None,
        region: Some(REGION.to_owned()),
        route: None,
    }
}

async fn info(State(api): State<Api>, InApp(app): InApp, Named(identity): Named) -> Result<Answer, Refusal> {
    let dyno = api.platform.dynos().find(&app, &identity).await?;
    Answer::ok(&Dyno::new(AppRef::from(&app), &dyno))
}

async fn run(
    State(api): State<Api>,
    Caller(caller): Caller,
    InApp(app): InApp,
    origin: Origin,
    Body(wish): Body<CreateDyno>,
) -> Result<Answer, Refusal> {
    if wish.time_to_live.is_some() {
        return Err(Refusal::invalid(
            "Invalid `time_to_live`: runs that are ended after a time are not available here yet.",
        ));
    }
    let request = RunRequest {
        command: wish.command,
        attach: wish.attach,
        force_no_tty: wish.force_no_tty,
        env: wish.env.into_iter().map(|(key, value)| (key, value.0)).collect(),
        size: wish.size,
        process_type: wish.process_type,
    };
    let started = api.platform.dynos().run(&caller, &app, request).await?;
    let attach_url = started.attach_secret.map(|secret| origin.rendezvous_url(&secret));
    Answer::created(&Dyno { attach_url, ..Dyno::new(AppRef::from(&app), &started.dyno) })
}

async fn restart_all(State(api): State<Api>, Caller(caller): Caller, InApp(app): InApp) -> Result<Answer, Refusal> {
    api.platform.dynos().restart(&caller, &app, Selection::All).await?;
    Answer::accepted(&Empty {})
}

async fn restart(
    State(api): State<Api>,
    Caller(caller): Caller,
    InApp(app): InApp,
    Named(identity): Named,
) -> Result<Answer, Refusal> {
    let selection = identity.parse::<Selection>()?;
    api.platform.dynos().restart(&caller, &app, selection).await?;
    Answer::accepted(&Empty {})
}

async fn stop(
    State(api): State<Api>,
    Caller(caller): Caller,
    InApp(app): InApp,
    Named(identity): Named,
) -> Result<Answer, Refusal> {
    let selection = identity.parse::<Selection>()?;
    api.platform.dynos().stop(&caller, &app, selection).await?;
    Answer::accepted(&Empty {})
}

async fn restart_type(
    State(api): State<Api>,
    Caller(caller): Caller,
    InApp(app): InApp,
    Named(process_type): Named,
) -> Result<Answer, Refusal> {
    api.platform.dynos().restart(&caller, &app, of_type(&process_type)?).await?;
    Answer::accepted(&Empty {})
}

async fn stop_type(
    State(api): State<Api>,
    Caller(caller): Caller,
    InApp(app): InApp,
    Named(process_type): Named,
) -> Result<Answer, Refusal> {
    api.platform.dynos().stop(&caller, &app, of_type(&process_type)?).await?;
    Answer::accepted(&Empty {})
}

fn of_type(text: &str) -> Result<Selection, Refusal> {
    text.parse().map(Selection::Type).map_err(|_| Refusal::not_found("process type"))
}
