//! `/apps/:app/domains`: the app's own name and its custom ones.

use api_types::domain_name::{CreateDomain, Domain, UpdateDomain};
use api_types::{AppRef, stable_id};
use axum::extract::State;
use domain::DomainId;

use crate::Api;
use crate::answer::Answer;
use crate::body::Body;
use crate::endpoint::{Access, Answers, Endpoints};
use crate::guard::{Caller, InApp, Named};
use crate::origin::Origin;
use crate::problem::Refusal;
use crate::range::{Key, ListRange, Listed};

pub(crate) fn endpoints() -> Endpoints {
    use Answers::{Many, One};

    Endpoints::default()
        .get("/apps/{app}/domains", Access::Member, Many("domain"), list)
        .post("/apps/{app}/domains", Access::Member, One("domain"), add)
        .get("/apps/{app}/domains/{domain}", Access::Member, One("domain"), info)
        .patch("/apps/{app}/domains/{domain}", Access::Member, One("domain"), update)
        .delete("/apps/{app}/domains/{domain}", Access::Member, One("domain"), remove)
}

impl Listed for Domain {
    const FIELDS: &'static [&'static str] = &["id", "hostname"];

    fn key(&self, field: &str) -> Key {
        Key::Text(if field == "hostname" { self.hostname.clone() } else { self.id.to_string() })
    }
}

async fn list(State(api): State<Api>, InApp(app): InApp, origin: Origin, range: ListRange) -> Result<Answer, Refusal> {
    let custom = api.platform.domains().list(&app).await?;
    let custom = custom.iter().map(|domain| shown(&app, domain, &origin));
    range.answer(std::iter::once(own(&app, &origin)).chain(custom).collect())
}

async fn add(
    State(api): State<Api>,
    Caller(caller): Caller,
    InApp(app): InApp,
    origin: Origin,
    Body(wish): Body<CreateDomain>,
) -> Result<Answer, Refusal> {
    no_endpoint(wish.sni_endpoint.as_deref())?;
    let domain = api.platform.domains().add(&caller, &app, wish.hostname).await?;
    Answer::created(&shown(&app, &domain, &origin))
}

async fn info(
    State(api): State<Api>,
    InApp(app): InApp,
    Named(identity): Named,
    origin: Origin,
) -> Result<Answer, Refusal> {
    let own = own(&app, &origin);
    if is_named(&own, &identity) {
        return Answer::ok(&own);
    }
    let domain = api.platform.domains().find(&app, &identity).await?;
    Answer::ok(&shown(&app, &domain, &origin))
}

async fn update(
    State(api): State<Api>,
    InApp(app): InApp,
    Named(identity): Named,
    origin: Origin,
    Body(wish): Body<UpdateDomain>,
) -> Result<Answer, Refusal> {
    no_endpoint(wish.sni_endpoint.as_deref())?;
    let domain = api.platform.domains().find(&app, &identity).await?;
    Answer::ok(&shown(&app, &domain, &origin))
}

async fn remove(
    State(api): State<Api>,
    Caller(caller): Caller,
    InApp(app): InApp,
    Named(identity): Named,
    origin: Origin,
) -> Result<Answer, Refusal> {
    if is_named(&own(&app, &origin), &identity) {
        return Err(Refusal::invalid(format!("{identity} is the app's own name and can't be removed.")));
    }
    let domain = api.platform.domains().remove(&caller, &app, &identity).await?;
    Answer::ok(&shown(&app, &domain, &origin))
}

/// Certificates of one's own can't be given yet.
fn no_endpoint(wanted: Option<&str>) -> Result<(), Refusal> {
    match wanted {
        None => Ok(()),
        Some(name) => Err(Refusal::invalid(format!("Invalid `sni_endpoint`: there is no SNI endpoint {name} here."))),
    }
}

fn is_named(domain: &Domain, identity: &str) -> bool {
    domain.hostname.eq_ignore_ascii_case(identity) || domain.id.to_string() == identity
}

/// The app's own name. It has no row: its id comes from the app's.
fn own(app: &domain::App, origin: &Origin) -> Domain {
    Domain {
        acm_status: None,
        acm_status_reason: None,
        app: AppRef::from(app),
        cname: None,
        created_at: app.created_at.into(),
        hostname: origin.app_host(app),
        id: DomainId(stable_id("domain", &app.id.to_string())),
        kind: "heroku".to_owned(),
        sni_endpoint: None,
        status: "succeeded".to_owned(),
        updated_at: app.created_at.into(),
    }
}

fn shown(app: &domain::App, domain: &domain::app::Domain, origin: &Origin) -> Domain {
    Domain {
        acm_status: None,
        acm_status_reason: None,
        app: AppRef::from(app),
        cname: Some(origin.app_host(app)),
        created_at: domain.created_at.into(),
        hostname: domain.hostname.to_string(),
        id: domain.id,
        kind: "custom".to_owned(),
        sni_endpoint: None,
        status: "succeeded".to_owned(),
        updated_at: domain.updated_at.into(),
    }
}
