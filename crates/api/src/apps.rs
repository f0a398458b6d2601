//! `/apps`.

use api_types::app::{App, CreateApp, TextRef, UpdateApp};
use api_types::{NamedRef, UserRef, region};
use axum::extract::State;
use platform::AppChange;

use crate::Api;
use crate::answer::Answer;
use crate::body::Body;
use crate::endpoint::{Access, Answers, Endpoints};
use crate::guard::{Caller, InApp, Named};
use crate::origin::Origin;
use crate::problem::Refusal;
use crate::range::{Key, ListRange, Listed};
use crate::stacks::stack_name;

pub(crate) fn endpoints() -> Endpoints {
    use Answers::{Many, One};

    Endpoints::default()
        .post("/apps", Access::Account, One("app"), create)
        .get("/apps", Access::Account, Many("app"), list)
        .get("/users/{account}/apps", Access::Account, Many("app"), list_of_user)
        .get("/apps/{app}", Access::Member, One("app"), info)
        .patch("/apps/{app}", Access::Member, One("app"), update)
        .delete("/apps/{app}", Access::Owner, One("app"), destroy)
}

impl Listed for App {
    const FIELDS: &'static [&'static str] = &["id", "name"];

    fn key(&self, field: &str) -> Key {
        Key::Text(if field == "name" { self.name.to_string() } else { self.id.to_string() })
    }
}

async fn create(
    State(api): State<Api>,
    Caller(caller): Caller,
    origin: Origin,
    Body(wish): Body<CreateApp>,
) -> Result<Answer, Refusal> {
    for (field, wanted) in [("space", &wish.space), ("team", &wish.team)] {
        if let Some(TextRef(name)) = wanted {
            return Err(Refusal::invalid(format!("Invalid `{field}`: there is no {field} {name} here.")));
        }
    }
    if let Some(TextRef(name)) = &wish.region
        && *name != region::REGION
        && *name != region::reference().id.to_string()
    {
        return Err(Refusal::invalid(format!(
            "Invalid `region`: there is no region {name}; this machine is the region {}.",
            region::REGION
        )));
    }
    let stack = wish.stack.as_ref().map(|TextRef(stack)| stack_name(&api, stack));
    let app = api.platform.apps().create(&caller, wish.name, stack.as_deref()).await?;
    Answer::created(&shown(&app, &origin))
}

async fn list(
    State(api): State<Api>,
    Caller(caller): Caller,
    origin: Origin,
    range: ListRange,
) -> Result<Answer, Refusal> {
    let apps = api.platform.apps().list(&caller).await?;
    range.answer(apps.iter().map(|app| shown(app, &origin)).collect())
}

/// The apps of someone else are no one's business.
async fn list_of_user(
    State(api): State<Api>,
    Caller(caller): Caller,
    Named(identity): Named,
    origin: Origin,
    range: ListRange,
) -> Result<Answer, Refusal> {
    let account = api.platform.accounts().find(&caller, &identity).await?;
    let caller = platform::Caller { account, ..caller };
    list(State(api), Caller(caller), origin, range).await
}

async fn info(InApp(app): InApp, origin: Origin) -> Result<Answer, Refusal> {
    Answer::ok(&shown(&app, &origin))
}

async fn update(
    State(api): State<Api>,
    Caller(caller): Caller,
    InApp(app): InApp,
    origin: Origin,
    Body(wish): Body<UpdateApp>,
) -> Result<Answer, Refusal> {
    let change = AppChange {
        name: wish.name,
        maintenance: wish.maintenance,
        build_stack: wish.build_stack.map(|TextRef(stack)| stack_name(&api, &stack)),
    };
    let app = api.platform.apps().update(&caller, &app, change).await?;
    Answer::ok(&shown(&app, &origin))
}

async fn destroy(
    State(api): State<Api>,
    Caller(caller): Caller,
    InApp(app): InApp,
    origin: Origin,
) -> Result<Answer, Refusal> {
    api.platform.apps().destroy(&caller, &app).await?;
    Answer::ok(&shown(&app, &origin))
}

fn shown(app: &domain::App, origin: &Origin) -> App {
    App {
        acm: false,
        archived_at: None,
        build_stack: NamedRef::stack(&app.build_stack),
        buildpack_provided_description: app.buildpack_provided_description.clone(),
        created_at: app.created_at.into(),
        generation: NamedRef::generation(),
        git_url: origin.git_url(app),
        id: app.id,
        internal_routing: None,
        maintenance: app.maintenance,
        name: app.name.clone(),
        organization: None,
        owner: UserRef { id: app.owner, email: app.owner_email.clone() },
        region: region::reference(),
        released_at: app.released_at.map(Into::into),
        repo_size: app.repo_size_bytes,
        slug_size: app.slug_size_bytes,
        space: None,
        stack: NamedRef::stack(&app.stack),
        team: None,
        updated_at: app.updated_at.into(),
        web_url: Some(origin.web_url(app)),
    }
}
