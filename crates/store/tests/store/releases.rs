//! Releases: numbers, states, and which one is live.

use domain::release::{ReleaseEvent, ReleaseState};
use domain::{ConfigVars, ReleaseId};
use store::{FinishReleaseError, NewRelease, StoreError};

use crate::support::{at, changes, home, vars};

#[tokio::test]
async fn a_release_without_a_phase_is_live_at_once() {
    let store = home().await;
    let app = store.app("one").await;
    let slug = store.slug(&app, &[("web", "run")]).await;
    let (release, config) = store.releases().deploy(app.id, slug.id, app.owner, "Deploy", false, at(3)).await.unwrap();
    assert_eq!((release.version, release.state, release.current), (2, ReleaseState::Succeeded, true));
    assert_eq!((release.slug, release.created_at, config), (Some(slug.id), at(3), ConfigVars::default()));
    assert_eq!(store.versions(&app).await, (2, vec![2, 1]));
    assert_eq!(store.releases().by_version(app.id, 2).await.unwrap().as_ref(), Some(&release));
    assert_eq!(store.releases().by_id(release.id).await.unwrap().as_ref(), Some(&release));
    assert_eq!(store.releases().by_version(app.id, 3).await.unwrap(), None);
}

#[tokio::test]
async fn a_release_with_a_phase_goes_live_when_the_phase_has_passed_and_else_never() {
    let store = home().await;
    let app = store.app("one").await;
    let slug = store.slug(&app, &[("web", "run"), ("release", "migrate")]).await;
    let deploy =
        async |second| store.releases().deploy(app.id, slug.id, app.owner, "D", true, at(second)).await.unwrap().0;
    let (failing, passing) = (deploy(3).await, deploy(4).await);
    assert_eq!((failing.state, failing.has_phase), (ReleaseState::Pending, true));
    assert_eq!(store.versions(&app).await, (1, vec![3, 2, 1]));
    assert_eq!(store.releases().pending().await.unwrap(), [failing.clone(), passing.clone()]);

    let failed = store.releases().finish(failing.id, ReleaseEvent::PhaseFailed, at(5)).await.unwrap();
    assert_eq!((failed.state, failed.current), (ReleaseState::Failed, false));
    assert_eq!(store.versions(&app).await.0, 1);
    assert_eq!(store.apps().by_id(app.id).await.unwrap().unwrap().released_at, None);
    assert_eq!(store.formation_text(&app).await, "");

    let passed = store.releases().finish(passing.id, ReleaseEvent::PhasePassed, at(6)).await.unwrap();
    assert_eq!((passed.state, passed.current, passed.updated_at), (ReleaseState::Succeeded, true, at(6)));
    assert_eq!(store.versions(&app).await.0, 3);
    assert_eq!(store.formation_text(&app).await, "release=0 web=1");
    assert!(store.releases().pending().await.unwrap().is_empty());
    let again = store.releases().finish(passing.id, ReleaseEvent::Interrupted, at(7)).await;
    assert!(matches!(again, Err(FinishReleaseError::Refused(_))));
    let nowhere = store.releases().finish(ReleaseId(uuid::Uuid::nil()), ReleaseEvent::PhasePassed, at(7)).await;
    assert!(matches!(nowhere, Err(FinishReleaseError::Store(StoreError::Gone("release")))));
}

#[tokio::test]
async fn a_phase_that_passes_late_does_not_replace_a_newer_release() {
    let store = home().await;
    let app = store.app("one").await;
    let (old, new) = (store.slug(&app, &[("web", "old")]).await, store.slug(&app, &[("web", "new")]).await);
    let (late, _) = store.releases().deploy(app.id, old.id, app.owner, "Old", true, at(3)).await.unwrap();
    store.releases().deploy(app.id, new.id, app.owner, "New", false, at(4)).await.unwrap();
    let late = store.releases().finish(late.id, ReleaseEvent::PhasePassed, at(5)).await.unwrap();
    assert_eq!((late.state, late.current), (ReleaseState::Succeeded, false));
    assert_eq!(store.versions(&app).await, (3, vec![3, 2, 1]));
    assert_eq!(store.formation().list(app.id).await.unwrap()[0].command, "new");
}

#[tokio::test]
async fn a_rollback_has_the_slug_and_config_that_it_is_given() {
    let store = home().await;
    let app = store.app("one").await;
    let old = store.slug(&app, &[("web", "old")]).await;
    let new = store.slug(&app, &[("web", "new")]).await;
    let (then, _) = store.releases().deploy(app.id, old.id, app.owner, "Old", false, at(3)).await.unwrap();
    store
        .releases()
        .with_config_change(app.id, &changes(&[("A", Some("1"))]), app.owner, "Set A", at(4))
        .await
        .unwrap();
    let (_, kept) = store.releases().deploy(app.id, new.id, app.owner, "New", false, at(5)).await.unwrap();
    assert_eq!(kept, vars(&[("A", "1")]), "a deploy keeps the config vars");
    let config = store.releases().config(then.id).await.unwrap();
    let back = NewRelease {
        app: app.id,
        slug: then.slug,
        config: &config,
        user: app.owner,
        description: "Rollback to v2".to_owned(),
        has_phase: false,
    };
    let back = store.releases().create(back, at(6)).await.unwrap();
    assert_eq!((back.version, back.slug, back.current), (5, Some(old.id), true));
    assert_eq!(store.releases().current_config(app.id).await.unwrap(), ConfigVars::default());
    assert_eq!(store.formation().list(app.id).await.unwrap()[0].command, "old");
}

#[tokio::test]
async fn a_slug_of_another_app_is_refused_and_uses_up_no_version() {
    let store = home().await;
    let (one, two) = (store.app("one").await, store.app("two").await);
    let foreign = store.slug(&two, &[("web", "run")]).await;
    let refused = store.releases().deploy(one.id, foreign.id, one.owner, "Steal", false, at(3)).await;
    assert!(matches!(refused, Err(StoreError::Gone("slug"))), "{refused:?}");
    assert_eq!(store.versions(&one).await, (1, vec![1]));
}

#[tokio::test]
async fn versions_have_no_gaps_however_many_are_made_at_once() {
    let store = home().await;
    let (one, two) = (store.app("one").await, store.app("two").await);
    let slug = store.slug(&one, &[("web", "run")]).await;
    let other = store.slug(&two, &[("web", "run")]).await;
    let deploys = (0..60).map(|turn| {
        let (app, slug) = if turn % 3 == 0 { (&two, &other) } else { (&one, &slug) };
        let (store, app, user, slug) = (store.store.clone(), app.id, app.owner, slug.id);
        tokio::spawn(async move { store.releases().deploy(app, slug, user, "D", turn % 4 == 0, at(3)).await })
    });
    for deploy in futures::future::join_all(deploys).await {
        deploy.unwrap().unwrap();
    }
    assert_eq!(store.versions(&one).await.1, (1..=41).rev().collect::<Vec<u32>>());
    assert_eq!(store.versions(&two).await.1, (1..=21).rev().collect::<Vec<u32>>());
}
