//! Slugs are collected, and their releases expire.

use domain::Retention;
use domain::release::ReleaseState;
use domain::retention::SlugParts;
use jiff::SignedDuration;
use store::{NewRelease, StoreError};

use crate::support::{at, changes, home};

const TIGHT: Retention = Retention { releases: 2, age: SignedDuration::ZERO, bytes: u64::MAX };

#[tokio::test]
async fn a_release_expires_with_its_slug_and_no_other_can_be_made_of_it() {
    let store = home().await;
    let app = store.app("one").await;
    let mut slugs = Vec::new();
    for number in 0..4 {
        let slug = store.slug(&app, &[("web", "run")]).await;
        store.releases().deploy(app.id, slug.id, app.owner, "Deploy", false, at(3 + number)).await.unwrap();
        slugs.push(slug);
    }
    let (none, now) = (SlugParts::new(), at(100));
    let spent = store.housekeeping().spent(app.id, &TIGHT, &none, now).await.unwrap();
    assert_eq!(spent, [slugs[0].id, slugs[1].id]);
    assert_eq!(store.slugs().list_kept().await.unwrap().len(), 4, "to ask changes nothing");
    assert_eq!(store.housekeeping().collect(app.id, &TIGHT, &none, now).await.unwrap(), spent);
    assert!(store.housekeeping().collect(app.id, &TIGHT, &none, now).await.unwrap().is_empty());
    assert_eq!(store.slugs().list_kept().await.unwrap(), slugs[2..]);
    assert_eq!(store.slugs().by_id(spent[0]).await.unwrap().unwrap().collected_at, Some(now));

    let states: Vec<(u32, ReleaseState, bool)> = store
        .releases()
        .list(app.id)
        .await
        .unwrap()
        .iter()
        .map(|release| (release.version, release.state, release.is_eligible_for_rollback()))
        .collect();
    use ReleaseState::{Expired, Succeeded};
    let expected = [(5, Succeeded, true), (4, Succeeded, true), (3, Expired, false), (2, Expired, false)];
    assert_eq!(states[..4], expected);

    let config = store.releases().current_config(app.id).await.unwrap();
    let (user, description) = (app.owner, "Rollback to v2".to_owned());
    let back = NewRelease { app: app.id, slug: Some(spent[0]), config: &config, user, description, has_phase: false };
    assert!(matches!(store.releases().create(back, at(101)).await, Err(StoreError::Gone("slug"))));
    assert_eq!(store.versions(&app).await.0, 5);
}

#[tokio::test]
async fn a_release_whose_phase_runs_and_one_with_dynos_keep_their_slugs() {
    let store = home().await;
    let app = store.app("one").await;
    let [old, running, pending] = [
        store.slug(&app, &[("web", "run")]).await,
        store.slug(&app, &[("web", "run")]).await,
        store.slug(&app, &[("web", "run"), ("release", "migrate")]).await,
    ];
    store.releases().deploy(app.id, old.id, app.owner, "Old", false, at(3)).await.unwrap();
    let (live, _) = store.releases().deploy(app.id, running.id, app.owner, "Live", false, at(4)).await.unwrap();
    let dyno = domain::dyno::Dyno {
        id: domain::DynoId(uuid::Uuid::now_v7()),
        app: app.id,
        name: domain::DynoName { process_type: "web".parse().unwrap(), number: 1 },
        command: "run".to_owned(),
        release: live.id,
        release_version: live.version,
        size: domain::DynoSize::DEFAULT,
        state: domain::DynoState::Up,
        created_at: at(5),
        updated_at: at(5),
    };
    store.dynos().insert(&dyno).await.unwrap();
    store.releases().deploy(app.id, pending.id, app.owner, "New", true, at(6)).await.unwrap();
    for _ in 0..3 {
        store.releases().with_config_change(app.id, &changes(&[]), app.owner, "Set", at(7)).await.unwrap();
    }
    let spent = store.housekeeping().collect(app.id, &TIGHT, &SlugParts::new(), at(100)).await.unwrap();
    assert_eq!(spent, [old.id]);
}
