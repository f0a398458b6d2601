//! Changes of config vars: each makes a release, and none is lost.

use domain::ConfigVars;
use domain::release::{ReleaseEvent, ReleaseState};
use store::{ChangeConfigError, StoreError};

use crate::support::{at, changes, home, open, vars};

#[tokio::test]
async fn a_change_makes_a_release_with_the_code_that_is_there() {
    let store = home().await;
    let app = store.app("one").await;
    let slug = store.slug(&app, &[("web", "run")]).await;
    store.releases().deploy(app.id, slug.id, app.owner, "Deploy", false, at(3)).await.unwrap();
    let set = changes(&[("A", Some("1")), ("B", Some("ü\n\"=")), ("C", Some(""))]);
    let (release, config) =
        store.releases().with_config_change(app.id, &set, app.owner, "Set A, B, C", at(4)).await.unwrap();
    assert_eq!((release.version, release.slug, release.current), (3, Some(slug.id), true));
    assert_eq!(config, vars(&[("A", "1"), ("B", "ü\n\"="), ("C", "")]));
    assert_eq!(store.releases().config(release.id).await.unwrap(), config);
    let unset = changes(&[("A", None), ("D", None)]);
    let (release, config) =
        store.releases().with_config_change(app.id, &unset, app.owner, "Unset A", at(5)).await.unwrap();
    assert_eq!((release.version, &config), (4, &vars(&[("B", "ü\n\"="), ("C", "")])));
    assert_eq!(store.releases().current_config(app.id).await.unwrap(), config);
}

#[tokio::test]
async fn a_change_that_is_too_large_makes_no_release() {
    let store = home().await;
    let app = store.app("one").await;
    let huge = "x".repeat(ConfigVars::LIMIT_BYTES);
    let refused =
        store.releases().with_config_change(app.id, &changes(&[("A", Some(&huge))]), app.owner, "Set A", at(4)).await;
    assert!(matches!(refused, Err(ChangeConfigError::Invalid(_))));
    assert_eq!(store.versions(&app).await, (1, vec![1]));
}

#[tokio::test]
async fn code_with_a_release_command_has_a_phase_also_when_its_config_changes() {
    let store = home().await;
    let app = store.app("one").await;
    let slug = store.slug(&app, &[("web", "run"), ("release", "migrate")]).await;
    let (deploy, _) = store.releases().deploy(app.id, slug.id, app.owner, "Deploy", true, at(3)).await.unwrap();
    store.releases().finish(deploy.id, ReleaseEvent::PhasePassed, at(4)).await.unwrap();
    let set = changes(&[("A", Some("1"))]);
    let (release, _) = store.releases().with_config_change(app.id, &set, app.owner, "Set A", at(5)).await.unwrap();
    assert_eq!((release.state, release.has_phase), (ReleaseState::Pending, true));
    assert_eq!(store.versions(&app).await.0, 2);
}

#[tokio::test]
async fn a_change_does_not_bring_in_code_whose_release_phase_failed() {
    let store = home().await;
    let app = store.app("one").await;
    let good = store.slug(&app, &[("web", "good")]).await;
    let bad = store.slug(&app, &[("web", "bad"), ("release", "false")]).await;
    store.releases().deploy(app.id, good.id, app.owner, "Good", false, at(3)).await.unwrap();
    let (failing, _) = store.releases().deploy(app.id, bad.id, app.owner, "Bad", true, at(4)).await.unwrap();
    store.releases().finish(failing.id, ReleaseEvent::PhaseFailed, at(5)).await.unwrap();
    let set = changes(&[("A", Some("1"))]);
    let (release, _) = store.releases().with_config_change(app.id, &set, app.owner, "Set A", at(6)).await.unwrap();
    assert_eq!((release.version, release.slug, release.current), (4, Some(good.id), true));
}

#[tokio::test]
async fn a_change_tries_the_only_code_again_whose_release_phase_failed() {
    let store = home().await;
    let app = store.app("one").await;
    let slug = store.slug(&app, &[("web", "serve"), ("release", "migrate")]).await;
    let (failing, _) = store.releases().deploy(app.id, slug.id, app.owner, "First", true, at(3)).await.unwrap();
    store.releases().finish(failing.id, ReleaseEvent::PhaseFailed, at(4)).await.unwrap();
    let set = changes(&[("DATABASE_URL", Some("postgres://"))]);
    let (release, _) =
        store.releases().with_config_change(app.id, &set, app.owner, "Set DATABASE_URL", at(5)).await.unwrap();
    assert_eq!((release.slug, release.state, release.has_phase), (Some(slug.id), ReleaseState::Pending, true));
}

/// Two servers' worth of stores on one file: the lock is the database's own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_changes_at_the_same_time_all_hold_and_versions_have_no_gaps() {
    const CHANGES: u32 = 60;
    let home = home().await;
    let app = home.app("one").await;
    let second = open(home.dir.path()).await;
    let tasks = (0..CHANGES).map(|number| {
        let store = if number % 2 == 0 { home.store.clone() } else { second.clone() };
        let (app, user) = (app.id, app.owner);
        tokio::spawn(async move {
            let set = changes(&[(&format!("KEY_{number}"), Some("set")), ("LAST", Some(&number.to_string()))]);
            let (release, config) = store.releases().with_config_change(app, &set, user, "Set", at(4)).await?;
            assert_eq!(store.releases().config(release.id).await?, config, "what was acknowledged can be read");
            Ok::<u32, ChangeConfigError>(release.version)
        })
    });
    let mut versions = Vec::new();
    for task in futures::future::join_all(tasks).await {
        versions.push(task.unwrap().unwrap());
    }
    versions.sort_unstable();
    assert_eq!(versions, (2..=CHANGES + 1).collect::<Vec<u32>>());
    let config = home.releases().current_config(app.id).await.unwrap();
    for number in 0..CHANGES {
        assert_eq!(config.get(&format!("KEY_{number}")), Some("set"), "change {number} is lost");
    }
    assert_eq!(home.versions(&app).await, (CHANGES + 1, (1..=CHANGES + 1).rev().collect()));
}

#[tokio::test]
async fn an_app_that_is_gone_takes_no_change() {
    let store = home().await;
    let app = store.app("one").await;
    store.apps().destroy(app.id).await.unwrap();
    let late = store.releases().with_config_change(app.id, &changes(&[]), app.owner, "Late", at(4)).await;
    assert!(matches!(late, Err(ChangeConfigError::Store(StoreError::Gone("app")))), "{late:?}");
    assert!(matches!(store.releases().current_config(app.id).await, Err(StoreError::Gone("app"))));
}
