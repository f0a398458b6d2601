//! Builds and slugs.

use domain::build::{BuildEvent, BuildState};
use store::{FinishBuildError, NewBuild, StoreError};

use crate::support::{at, home, new_slug};

#[tokio::test]
async fn a_build_ends_once_with_its_slug_and_release() {
    let store = home().await;
    let app = store.app("one").await;
    let new = || NewBuild {
        app: app.id,
        user: app.owner,
        stack: "debian-13".to_owned(),
        buildpacks: vec!["heroku/nodejs".parse().unwrap()],
        source_version: Some("2c3a0b2".to_owned()),
        source_description: Some("Say hello".to_owned()),
    };
    let build = store.builds().create(new(), at(3)).await.unwrap();
    let interrupted = store.builds().create(new(), at(4)).await.unwrap();
    assert_eq!((build.state, build.slug, build.release), (BuildState::Pending, None, None));
    assert_eq!(store.builds().by_id(build.id).await.unwrap().as_ref(), Some(&build));
    assert_eq!(store.builds().pending().await.unwrap(), [build.clone(), interrupted.clone()]);

    let packs = ["heroku/python".parse().unwrap(), "heroku/nodejs".parse().unwrap()];
    assert_eq!(store.builds().set_buildpacks(build.id, &packs, at(5)).await.unwrap().buildpacks, packs);
    let slug = store.slug(&app, &[("web", "run")]).await;
    let (release, _) = store.releases().deploy(app.id, slug.id, app.owner, "Deploy", false, at(6)).await.unwrap();
    let ended =
        store.builds().finish(build.id, BuildEvent::Succeeded, Some(slug.id), Some(release.id), at(7)).await.unwrap();
    assert_eq!((ended.state, ended.slug, ended.release), (BuildState::Succeeded, Some(slug.id), Some(release.id)));
    assert_eq!((ended.created_at, ended.updated_at), (at(3), at(7)));
    let again = store.builds().finish(build.id, BuildEvent::Failed, None, None, at(8)).await;
    assert!(matches!(again, Err(FinishBuildError::Refused(_))));
    let failed = store.builds().finish(interrupted.id, BuildEvent::Interrupted, None, None, at(8)).await.unwrap();
    assert_eq!(failed.state, BuildState::Failed);
    assert_eq!(store.builds().list(app.id).await.unwrap(), [ended, failed]);
    assert!(store.builds().pending().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_slug_is_read_as_it_was_written() {
    let store = home().await;
    let app = store.app("one").await;
    let new = new_slug(&app, &[("web", "node \"x\".js"), ("release", "migrate")]);
    let slug = store.slugs().create(new.clone(), at(3)).await.unwrap();
    assert_eq!(slug.process_types, new.process_types);
    assert_eq!((slug.image, slug.size_bytes, slug.commit.clone()), (new.image, new.size_bytes, new.commit));
    assert_eq!(store.slugs().by_id(slug.id).await.unwrap().as_ref(), Some(&slug));
    assert_eq!(store.slugs().list(app.id).await.unwrap(), std::slice::from_ref(&slug));
    assert_eq!(store.slugs().list_kept().await.unwrap(), [slug]);
    let nowhere = store::NewSlug { app: domain::AppId(uuid::Uuid::nil()), ..new_slug(&app, &[]) };
    assert!(matches!(store.slugs().create(nowhere, at(4)).await, Err(StoreError::Gone(_))));
}
