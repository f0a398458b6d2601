//! `/apps/:app/slugs`.

use api_types::NamedRef;
use api_types::slug::{Blob, Slug};
use axum::extract::State;

use crate::Api;
use crate::answer::Answer;
use crate::endpoint::{Access, Answers, Endpoints};
use crate::guard::{InApp, Named};
use crate::problem::Refusal;

pub(crate) fn endpoints() -> Endpoints {
    Endpoints::default().get("/apps/{app}/slugs/{slug}", Access::Member, Answers::One("slug"), info)
}

async fn info(State(api): State<Api>, InApp(app): InApp, Named(id): Named) -> Result<Answer, Refusal> {
    Answer::ok(&shown(&api.platform.releases().slug(&app, &id).await?))
}

fn shown(slug: &domain::build::Slug) -> Slug {
    let process_types = slug.process_types.iter().map(|(name, command)| (name.to_string(), command.clone()));
    Slug {
        // The content is the image of this digest in the platform's own store;
        // as a tarball it can't be fetched yet, so there is no URL.
        blob: Blob { method: "get".to_owned(), url: String::new() },
        buildpack_provided_description: slug.buildpack_provided_description.clone(),
        checksum: Some(format!("SHA256:{}", slug.image.hex())),
        commit: slug.commit.clone(),
        commit_description: slug.commit_description.clone(),
        created_at: slug.created_at.into(),
        deleted_at: None,
        id: slug.id,
        process_types: process_types.collect(),
        size: Some(slug.size_bytes),
        stack: NamedRef::stack(&slug.stack),
        updated_at: slug.updated_at.into(),
    }
}
