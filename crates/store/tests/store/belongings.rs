//! What hangs on apps: domains, collaborators, drains, features, buildpacks,
//! dynos; and sources.

use domain::dyno::Dyno;
use domain::{AppId, DynoId, DynoSize, DynoState, Secret};
use store::{AddCollaboratorError, AddDomainError, AddDrainError, StoreError};

use crate::support::{at, home};

#[tokio::test]
async fn a_host_name_belongs_to_one_app_at_a_time() {
    let store = home().await;
    let (one, two) = (store.app("one").await, store.app("two").await);
    let domain = store.domains().add(one.id, "www.example.com".parse().unwrap(), at(3)).await.unwrap();
    let wildcard = store.domains().add(one.id, "*.example.com".parse().unwrap(), at(4)).await.unwrap();
    let again = store.domains().add(two.id, "WWW.example.com".parse().unwrap(), at(5)).await;
    assert!(matches!(again, Err(AddDomainError::Taken)));
    assert_eq!(store.domains().list(one.id).await.unwrap(), [domain.clone(), wildcard.clone()]);
    for text in [domain.id.to_string().as_str(), "www.example.com", "WWW.Example.com"] {
        assert_eq!(store.domains().find(one.id, text).await.unwrap().as_ref(), Some(&domain));
    }
    assert_eq!(store.domains().find(two.id, "www.example.com").await.unwrap(), None, "not this app's");
    assert!(store.domains().remove(domain.id).await.unwrap());
    assert!(!store.domains().remove(domain.id).await.unwrap());
    let moved = store.domains().add(two.id, "www.example.com".parse().unwrap(), at(6)).await.unwrap();
    assert_eq!(store.domains().list_all().await.unwrap(), [wildcard, moved]);
    let nowhere = store.domains().add(AppId(uuid::Uuid::nil()), "a.example.com".parse().unwrap(), at(7)).await;
    assert!(matches!(nowhere, Err(AddDomainError::Store(StoreError::Gone(_)))), "{nowhere:?}");
}

#[tokio::test]
async fn collaborators_come_and_go_once() {
    let store = home().await;
    let (app, bob) = (store.app("one").await, store.account("bob@example.com").await);
    assert!(!store.collaborators().is_collaborator(app.id, bob.id).await.unwrap());
    let added = store.collaborators().add(app.id, bob.id, at(3)).await.unwrap();
    assert_eq!((&added.email, added.account), (&bob.email, bob.id));
    assert!(store.collaborators().is_collaborator(app.id, bob.id).await.unwrap());
    assert!(matches!(store.collaborators().add(app.id, bob.id, at(4)).await, Err(AddCollaboratorError::Already)));
    assert_eq!(store.collaborators().list(app.id).await.unwrap(), std::slice::from_ref(&added));
    for text in [added.id.to_string(), "Bob@example.com".to_owned(), bob.id.to_string()] {
        assert_eq!(store.collaborators().find(app.id, &text).await.unwrap().as_ref(), Some(&added));
    }
    assert!(store.collaborators().remove(added.id).await.unwrap());
    assert!(!store.collaborators().is_collaborator(app.id, bob.id).await.unwrap());
    assert_eq!(store.collaborators().find(app.id, "bob@example.com").await.unwrap(), None);
}

#[tokio::test]
async fn a_drain_is_found_by_id_url_and_token() {
    let store = home().await;
    let (one, two) = (store.app("one").await, store.app("two").await);
    let url = "syslog+tls://logs.example.com:6514";
    let drain = store.drains().add(one.id, url, "d.1", at(3)).await.unwrap();
    assert!(matches!(store.drains().add(one.id, url, "d.2", at(4)).await, Err(AddDrainError::Taken)));
    let other = store.drains().add(two.id, url, "d.3", at(5)).await.unwrap();
    for text in [drain.id.to_string().as_str(), url, "d.1"] {
        assert_eq!(store.drains().find(one.id, text).await.unwrap().as_ref(), Some(&drain));
    }
    assert_eq!(store.drains().list_all().await.unwrap(), [drain.clone(), other]);
    assert!(store.drains().remove(drain.id).await.unwrap());
    assert!(store.drains().list(one.id).await.unwrap().is_empty());
}

#[tokio::test]
async fn features_are_on_since_they_were_first_switched_on() {
    let store = home().await;
    let app = store.app("one").await;
    store.features().set(app.id, "preboot", true, at(3)).await.unwrap();
    store.features().set(app.id, "preboot", true, at(4)).await.unwrap();
    store.features().set(app.id, "a-lab", true, at(5)).await.unwrap();
    let on = store.features().enabled(app.id).await.unwrap();
    assert_eq!(on, [("a-lab".to_owned(), at(5)), ("preboot".to_owned(), at(3))]);
    store.features().set(app.id, "preboot", false, at(6)).await.unwrap();
    store.features().set(app.id, "never-on", false, at(6)).await.unwrap();
    assert_eq!(store.features().enabled(app.id).await.unwrap(), [("a-lab".to_owned(), at(5))]);
    store.features().set_account(app.owner, "beta", true, at(7)).await.unwrap();
    assert_eq!(store.features().account_enabled(app.owner).await.unwrap(), [("beta".to_owned(), at(7))]);
    store.features().set_account(app.owner, "beta", false, at(8)).await.unwrap();
    assert!(store.features().account_enabled(app.owner).await.unwrap().is_empty());
}

#[tokio::test]
async fn buildpacks_keep_their_order_and_detection_does_not_override_a_choice() {
    let store = home().await;
    let app = store.app("one").await;
    let [node, python] =
        ["heroku/nodejs", "https://github.com/heroku/heroku-buildpack-python"].map(|text| text.parse().unwrap());
    assert!(store.buildpacks().remember_detected(app.id, std::slice::from_ref(&node), at(3)).await.unwrap());
    assert!(!store.buildpacks().remember_detected(app.id, std::slice::from_ref(&python), at(4)).await.unwrap());
    assert_eq!(store.buildpacks().list(app.id).await.unwrap(), std::slice::from_ref(&node));
    store.buildpacks().replace(app.id, &[python.clone(), node.clone(), python.clone()], at(5)).await.unwrap();
    assert_eq!(store.buildpacks().list(app.id).await.unwrap(), [python.clone(), node, python]);
    store.buildpacks().replace(app.id, &[], at(6)).await.unwrap();
    assert!(store.buildpacks().list(app.id).await.unwrap().is_empty());
    let nowhere = store.buildpacks().replace(AppId(uuid::Uuid::nil()), &[], at(7)).await;
    assert!(matches!(nowhere, Err(StoreError::Gone("app"))), "{nowhere:?}");
}

#[tokio::test]
async fn two_dynos_may_bear_one_name_and_states_are_written_as_given() {
    let store = home().await;
    let app = store.app("one").await;
    let release = store.releases().current(app.id).await.unwrap().unwrap();
    let dyno = |id, name: &str| Dyno {
        id: DynoId(uuid::Uuid::from_u128(id)),
        app: app.id,
        name: name.parse().unwrap(),
        command: "run".to_owned(),
        release: release.id,
        release_version: release.version,
        size: DynoSize::PerformanceM,
        state: DynoState::Starting,
        created_at: at(3),
        updated_at: at(3),
    };
    let (ten, old, new) = (dyno(1, "web.10"), dyno(2, "web.2"), dyno(3, "web.2"));
    for dyno in [&new, &ten, &old] {
        store.dynos().insert(dyno).await.unwrap();
    }
    assert_eq!(store.dynos().list(app.id).await.unwrap(), [old.clone(), new, ten]);
    for state in [DynoState::Up, DynoState::Stopping, DynoState::Crashed, DynoState::Down, DynoState::Starting] {
        assert!(store.dynos().set_state(old.id, state, at(4)).await.unwrap());
        let expected = Dyno { state, updated_at: at(4), ..old.clone() };
        assert_eq!(store.dynos().by_id(old.id).await.unwrap(), Some(expected));
    }
    assert!(store.dynos().remove(old.id).await.unwrap());
    assert!(!store.dynos().set_state(old.id, DynoState::Up, at(5)).await.unwrap());
    assert_eq!(store.dynos().list_all().await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_source_is_found_by_its_secret_until_it_is_removed() {
    let store = home().await;
    let old = store.sources().create(at(10)).await.unwrap();
    let new = store.sources().create(at(20)).await.unwrap();
    assert_eq!(store.sources().find(&old.secret).await.unwrap(), Some(old.id));
    assert_eq!(store.sources().find(&Secret::new("guess")).await.unwrap(), None);
    assert_eq!(store.sources().older_than(at(20)).await.unwrap(), [old.id]);
    assert_eq!(store.sources().older_than(at(21)).await.unwrap(), [old.id, new.id]);
    assert!(store.sources().remove(old.id).await.unwrap());
    assert_eq!(store.sources().find(&old.secret).await.unwrap(), None);
}
