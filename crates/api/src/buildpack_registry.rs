//! `/buildpacks`: the registry that the CLI asks for names of buildpacks
//! (`Accept: application/vnd.heroku+json; version=3.buildpack-registry`).

use api_types::{problem, stable_id};
use axum::extract::{Query, State};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use domain::buildpack::{BuildpackRef, Place};
use http::StatusCode;
use platform::{BuildpackSource, RegistryEntry};
use serde_json::{Value, json};

use crate::Api;
use crate::answer::Answer;
use crate::endpoint::{Access, Answers, Endpoints};
use crate::guard::Named;
use crate::problem::Refusal;

pub(crate) fn endpoints() -> Endpoints {
    Endpoints::default()
        .get("/buildpacks", Access::Open, Answers::Other, search)
        .get("/buildpacks/{name}", Access::Open, Answers::Other, find)
        .get("/buildpacks/{name}/revisions", Access::Open, Answers::Other, revisions)
        .get("/buildpacks/{name}/readme", Access::Open, Answers::Other, readme)
}

/// `?in[namespace][]=heroku&in[name][]=node&like[description]=site`: all that is asked must hold,
/// and of several values of one kind any.
async fn search(State(api): State<Api>, Query(asked): Query<Vec<(String, String)>>) -> Result<Answer, Refusal> {
    let holds = |key: &str, test: &dyn Fn(&str) -> bool| {
        let mut values = asked.iter().filter(|(name, _)| name == key).map(|(_, value)| value.as_str()).peekable();
        values.peek().is_none() || values.any(test)
    };
    let registry = api.platform.buildpacks().registry();
    let found = registry.entries().filter(|entry| {
        let (namespace, name) = split(entry);
        let description = entry.description.to_lowercase();
        holds("in[namespace][]", &|wanted| namespace == wanted)
            && holds("in[name][]", &|wanted| name.contains(wanted))
            && holds("like[description]", &|wanted| description.contains(&wanted.to_lowercase()))
    });
    Answer::ok(&found.map(shown).collect::<Vec<_>>())
}

/// The CLI takes `blob_url` as what to set, whatever the status. So a name that
/// is not known has one too, and the refusal to set it can say what was meant.
async fn find(State(api): State<Api>, Named(name): Named) -> Result<Answer, Refusal> {
    let registry = api.platform.buildpacks().registry();
    if let Some(entry) = registry.find(&name) {
        return Answer::ok(&shown(entry));
    }
    let message = match name.parse::<BuildpackRef>().map(|reference| registry.check(&reference)) {
        Ok(Err(unknown)) => unknown.to_string(),
        _ => format!("There is no buildpack {name} in this platform's registry."),
    };
    let absent = json!({
        "id": problem::id::NOT_FOUND,
        "resource": "buildpack",
        "message": message,
        "blob_url": urn(&name),
    });
    Answer::with_status(StatusCode::NOT_FOUND, &absent)
}

/// The one version that a build would take now.
async fn revisions(State(api): State<Api>, Named(name): Named) -> Result<Answer, Refusal> {
    let registry = api.platform.buildpacks().registry();
    let entry = registry.find(&name).ok_or_else(|| Refusal::not_found("buildpack"))?;
    let release = match &entry.source {
        BuildpackSource::BuiltIn(_) | BuildpackSource::Inline => {
            concat!("renga ", env!("CARGO_PKG_VERSION")).to_owned()
        }
        BuildpackSource::Folder(_) => "as it is on the server".to_owned(),
        BuildpackSource::Url(reference) => match reference.place() {
            Place::Git { reference: Some(at), .. } => at.to_owned(),
            Place::Git { reference: None, .. } => "the default branch".to_owned(),
            _ => "the archive as it is".to_owned(),
        },
    };
    let id = stable_id("buildpack-revision", &format!("{name} {release}"));
    Answer::ok(&json!([{ "id": id, "release": release, "status": "published", "created_at": null, "license": null }]))
}

async fn readme(State(api): State<Api>, Named(name): Named) -> Result<Answer, Refusal> {
    let registry = api.platform.buildpacks().registry();
    let entry = registry.find(&name).ok_or_else(|| Refusal::not_found("buildpack"))?;
    let origin = match &entry.source {
        BuildpackSource::BuiltIn(_) => "It is built into this platform.".to_owned(),
        BuildpackSource::Inline => "It runs the scripts in the app's own bin folder.".to_owned(),
        BuildpackSource::Folder(_) => "The operator keeps it on the server.".to_owned(),
        BuildpackSource::Url(reference) => format!("Builds fetch it from {reference} and keep it."),
    };
    let text = format!("{}\n\n{origin}\n", entry.description);
    Answer::ok(&json!({ "content": BASE64_STANDARD.encode(text), "encoding": "base64" }))
}

fn shown(entry: &RegistryEntry) -> Value {
    let (namespace, name) = split(entry);
    let (source, support) = match &entry.source {
        BuildpackSource::Url(reference) => match on_github(reference) {
            Some((owner, repo)) => {
                (json!({ "type": "github", "owner": owner, "repo": repo }), json!({ "method": "github" }))
            }
            None => (json!({ "type": "other" }), json!({ "method": "unsupported" })),
        },
        _ => (json!({ "type": "other" }), json!({ "method": "other", "address": "The operator of this platform" })),
    };
    json!({
        "id": stable_id("buildpack", &entry.name),
        "name": name,
        "namespace": namespace,
        "blob_url": urn(&entry.name),
        "category": "languages",
        "description": entry.description,
        "source": source,
        "support": support,
    })
}

fn on_github(reference: &BuildpackRef) -> Option<(&str, &str)> {
    let path = reference.as_str().strip_prefix("https://github.com/")?;
    let path = path.split('#').next()?.trim_end_matches('/');
    path.strip_suffix(".git").unwrap_or(path).split_once('/')
}

fn split(entry: &RegistryEntry) -> (&str, &str) {
    entry.name.split_once('/').unwrap_or(("", &entry.name))
}

fn urn(name: &str) -> String {
    format!("urn:buildpack:{name}")
}
