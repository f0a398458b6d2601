//! `/apps/:app/builds`, and their output as it grows.

use std::collections::HashMap;

use api_types::build::{Build, CreateBuild, SourceBlob};
use api_types::buildpack::Buildpack;
use api_types::dyno::Empty;
use api_types::{AppRef, IdRef};
use axum::extract::State;
use axum::response::Response;
use domain::{AccountId, Email};
use platform::BuildRequest;

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
        .get("/apps/{app}/builds", Access::Member, Many("build"), list)
        .post("/apps/{app}/builds", Access::Member, One("build"), create)
        .get("/apps/{app}/builds/{build}", Access::Member, One("build"), info)
        .delete("/apps/{app}/builds/{build}", Access::Member, One("build"), cancel)
        .delete("/apps/{app}/build-cache", Access::Member, Answers::Empty, delete_cache)
        .get("/build-output/{secret}", Access::SecretUrl, Answers::Stream, output)
}

impl Listed for Build {
    const FIELDS: &'static [&'static str] = &["id", "started_at"];

    fn key(&self, field: &str) -> Key {
        Key::Text(if field == "id" { self.id.to_string() } else { format!("{}\0{}", self.created_at, self.id) })
    }
}

async fn list(State(api): State<Api>, InApp(app): InApp, origin: Origin, range: ListRange) -> Result<Answer, Refusal> {
    let builds = api.platform.builds().list(&app).await?;
    let emails = api.platform.accounts().emails(builds.iter().map(|build| build.user).collect()).await?;
    let shown: Result<Vec<Build>, Refusal> =
        builds.iter().map(|build| shown(&api, &app, build, &emails, &origin)).collect();
    range.answer(shown?)
}

async fn create(
    State(api): State<Api>,
    Caller(caller): Caller,
    InApp(app): InApp,
    origin: Origin,
    Body(wish): Body<CreateBuild>,
) -> Result<Answer, Refusal> {
    let mut buildpacks = Vec::new();
    for (index, wanted) in wish.buildpacks.iter().flatten().enumerate() {
        match wanted.reference() {
            Some(Ok(reference)) => buildpacks.push(reference),
            Some(Err(invalid)) => return Err(Refusal::invalid(format!("Invalid `buildpacks[{index}]`: {invalid}."))),
            None => return Err(Refusal::invalid(format!("Invalid `buildpacks[{index}]`: give a `url` or a `name`."))),
        }
    }
    let request = BuildRequest {
        source_url: wish.source_blob.url,
        checksum: wish.source_blob.checksum,
        version: wish.source_blob.version,
        version_description: wish.source_blob.version_description,
        buildpacks,
    };
    let build = api.platform.builds().create(&caller, &app, request).await?;
    Answer::created(&one(&api, &app, &build, &origin).await?)
}

async fn info(State(api): State<Api>, InApp(app): InApp, Named(id): Named, origin: Origin) -> Result<Answer, Refusal> {
    let build = api.platform.builds().find(&app, &id).await?;
    Answer::ok(&one(&api, &app, &build, &origin).await?)
}

async fn cancel(
    State(api): State<Api>,
    Caller(caller): Caller,
    InApp(app): InApp,
    Named(id): Named,
    origin: Origin,
) -> Result<Answer, Refusal> {
    let build = api.platform.builds().find(&app, &id).await?;
    let build = api.platform.builds().cancel(&caller, &app, &build).await?;
    Answer::ok(&one(&api, &app, &build, &origin).await?)
}

async fn delete_cache(State(api): State<Api>, InApp(app): InApp) -> Result<Answer, Refusal> {
    api.platform.builds().delete_cache(&app).await?;
    Answer::ok(&Empty {})
}

async fn output(State(api): State<Api>, Named(secret): Named) -> Result<Response, Refusal> {
    Ok(streams::text(api.platform.builds().output_by_secret(&secret).await?))
}

async fn one(api: &Api, app: &domain::App, build: &domain::build::Build, origin: &Origin) -> Result<Build, Refusal> {
    let emails = api.platform.accounts().emails(vec![build.user]).await?;
    shown(api, app, build, &emails, origin)
}

fn shown(
    api: &Api,
    app: &domain::App,
    build: &domain::build::Build,
    emails: &HashMap<AccountId, Email>,
    origin: &Origin,
) -> Result<Build, Refusal> {
    Ok(Build {
        app: AppRef::from(app),
        buildpacks: Some(build.buildpacks.iter().map(Buildpack::from).collect()),
        created_at: build.created_at.into(),
        generation: "cedar".to_owned(),
        id: build.id,
        output_stream_url: origin.url(&format!("/build-output/{}", api.platform.builds().output_secret(build))),
        release: build.release.map(|id| IdRef { id }),
        slug: build.slug.map(|id| IdRef { id }),
        source_blob: SourceBlob {
            checksum: None,
            // The tarball is gone once it is built, and its URL was a secret:
            // what stays readable is the app's repository.
            url: origin.git_url(app),
            version: build.source_version.clone(),
            version_description: build.source_description.clone(),
        },
        stack: build.stack.clone(),
        status: build.state.name().to_owned(),
        updated_at: build.updated_at.into(),
        user: crate::releases::user(build.user, emails)?,
    })
}
