//! `/apps/:app/releases`: listed, rolled back to, made from a slug.

use std::collections::HashMap;

use api_types::release::{Artifact, CreateRelease, Release};
use api_types::{AppRef, IdRef, UserRef};
use axum::extract::State;
use axum::response::Response;
use domain::{AccountId, Email};

use crate::answer::Answer;
use crate::body::Body;
use crate::endpoint::{Access, Answers, Endpoints};
use crate::guard::{Caller, InApp, Named};
use crate::origin::Origin;
use crate::problem::Refusal;
use crate::range::{Key, ListRange, Listed};
use crate::{Api, streams};

pub(crate) fn endpoints() -> Endpoints {
    use Answers::{Many, One};

    Endpoints::default()
        .get("/apps/{app}/releases", Access::Member, Many("release"), list)
        .post("/apps/{app}/releases", Access::Member, One("release"), create)
        .get("/apps/{app}/releases/{release}", Access::Member, One("release"), info)
        .get("/release-output/{secret}", Access::SecretUrl, Answers::Stream, output)
}

impl Listed for Release {
    const FIELDS: &'static [&'static str] = &["id", "version"];

    fn key(&self, field: &str) -> Key {
        if field == "version" { Key::Number(u64::from(self.version)) } else { Key::Text(self.id.to_string()) }
    }
}

async fn list(State(api): State<Api>, InApp(app): InApp, origin: Origin, range: ListRange) -> Result<Answer, Refusal> {
    let releases = api.platform.releases().list(&app).await?;
    let emails = api.platform.accounts().emails(releases.iter().map(|release| release.user).collect()).await?;
    let shown: Result<Vec<Release>, Refusal> =
        releases.iter().map(|release| shown(&api, &app, release, &emails, &origin)).collect();
    range.answer(shown?)
}

async fn info(
    State(api): State<Api>,
    InApp(app): InApp,
    Named(release): Named,
    origin: Origin,
) -> Result<Answer, Refusal> {
    let release = api.platform.releases().find(&app, &release).await?;
    Answer::ok(&one(&api, &app, &release, &origin).await?)
}

async fn create(
    State(api): State<Api>,
    Caller(caller): Caller,
    InApp(app): InApp,
    origin: Origin,
    Body(wish): Body<CreateRelease>,
) -> Result<Answer, Refusal> {
    let releases = api.platform.releases();
    let release = match (&wish.release, &wish.slug) {
        (Some(release), None) => releases.rollback(&caller, &app, release).await?,
        (None, Some(slug)) => {
            let slug = releases.slug(&app, slug).await?;
            releases.release_slug(&caller, &app, slug.id, wish.description).await?
        }
        _ => {
            let message = "Give either `release`, to roll back to it, or `slug`, to release it.";
            return Err(Refusal::invalid(message));
        }
    };
    Answer::created(&one(&api, &app, &release, &origin).await?)
}

async fn output(State(api): State<Api>, Named(secret): Named) -> Result<Response, Refusal> {
    Ok(streams::text(api.platform.releases().output_by_secret(&secret).await?))
}

async fn one(
    api: &Api,
    app: &domain::App,
    release: &domain::release::Release,
    origin: &Origin,
) -> Result<Release, Refusal> {
    let emails = api.platform.accounts().emails(vec![release.user]).await?;
    shown(api, app, release, &emails, origin)
}

fn shown(
    api: &Api,
    app: &domain::App,
    release: &domain::release::Release,
    emails: &HashMap<AccountId, Email>,
    origin: &Origin,
) -> Result<Release, Refusal> {
    let output = release
        .has_phase
        .then(|| origin.url(&format!("/release-output/{}", api.platform.releases().output_secret(release))));
    Ok(Release {
        addon_plan_names: Vec::new(),
        app: AppRef::from(app),
        artifacts: release.slug.map(|id| Artifact { kind: "slug".to_owned(), id }).into_iter().collect(),
        created_at: release.created_at.into(),
        current: release.current,
        description: release.description.clone(),
        eligible_for_rollback: release.is_eligible_for_rollback(),
        id: release.id,
        output_stream_url: output,
        slug: release.slug.map(|id| IdRef { id }),
        status: release.state.name().to_owned(),
        updated_at: release.updated_at.into(),
        user: user(release.user, emails)?,
        version: release.version,
    })
}

/// Accounts are never removed, so one that is not there is our fault.
pub(crate) fn user(id: AccountId, emails: &HashMap<AccountId, Email>) -> Result<UserRef, Refusal> {
    let email = emails.get(&id).ok_or_else(|| Refusal::internal(format_args!("the account {id} is gone")))?;
    Ok(UserRef { id, email: email.clone() })
}
