//! Apps: made, renamed, changed and destroyed with all that hangs on them.

use domain::dyno::Dyno;
use domain::release::ReleaseState;
use domain::{ConfigVars, DynoId, DynoSize, DynoState};
use sqlx::Row;
use store::{CreateAppError, NewApp, NewBuild, RenameError, StoreError};

use crate::support::{at, home, raw};

#[tokio::test]
async fn a_new_app_has_an_initial_release_that_is_live_and_empty() {
    let store = home().await;
    let app = store.app("my-app").await;
    assert_eq!((app.build_stack.as_str(), app.stack.as_str()), ("debian-13", "debian-13"));
    assert_eq!((app.owner_email.as_str(), app.maintenance, app.released_at), ("my-app@example.com", false, None));
    assert_eq!(store.apps().by_id(app.id).await.unwrap().as_ref(), Some(&app));
    assert_eq!(store.apps().by_name(&app.name).await.unwrap().as_ref(), Some(&app));
    let first = store.releases().current(app.id).await.unwrap().unwrap();
    assert_eq!((first.version, first.slug, first.state), (1, None, ReleaseState::Succeeded));
    assert_eq!((first.description.as_str(), first.user, first.has_phase), ("Initial release", app.owner, false));
    assert_eq!(store.releases().config(first.id).await.unwrap(), ConfigVars::default());
}

#[tokio::test]
async fn a_name_belongs_to_one_app() {
    let store = home().await;
    let (one, two) = (store.app("one").await, store.app("two").await);
    let new = NewApp { name: one.name.clone(), owner: two.owner, stack: "host".to_owned() };
    assert!(matches!(store.apps().create(new, at(3)).await, Err(CreateAppError::NameTaken)));
    assert!(matches!(store.apps().rename(one.id, two.name.clone(), at(3)).await, Err(RenameError::NameTaken)));
    let renamed = store.apps().rename(one.id, "three".parse().unwrap(), at(4)).await.unwrap();
    assert_eq!((renamed.name.as_str(), renamed.updated_at), ("three", at(4)));
    assert_eq!(store.apps().by_name(&one.name).await.unwrap(), None);
    let same = store.apps().rename(two.id, two.name.clone(), at(5)).await.unwrap();
    assert_eq!(same.name, two.name, "its own name is not taken from it");
}

#[tokio::test]
async fn settings_change_one_thing_each() {
    let store = home().await;
    let app = store.app("my-app").await;
    assert!(store.apps().set_maintenance(app.id, true, at(5)).await.unwrap().maintenance);
    assert_eq!(store.apps().set_repo_size(app.id, 123, at(6)).await.unwrap().repo_size_bytes, Some(123));
    let changed = store.apps().set_build_stack(app.id, "host", at(7)).await.unwrap();
    let expected = domain::App {
        maintenance: true,
        repo_size_bytes: Some(123),
        build_stack: "host".to_owned(),
        updated_at: at(7),
        ..app
    };
    assert_eq!(changed, expected);
}

#[tokio::test]
async fn owners_and_collaborators_see_an_app_and_others_do_not() {
    let store = home().await;
    let (one, two) = (store.app("one").await, store.app("two").await);
    store.collaborators().add(two.id, one.owner, at(3)).await.unwrap();
    assert_eq!(store.apps().list_visible_to(one.owner).await.unwrap(), [one.clone(), two.clone()]);
    assert_eq!(store.apps().list_visible_to(two.owner).await.unwrap(), std::slice::from_ref(&two));
    assert_eq!(store.apps().list_all().await.unwrap(), [one, two]);
}

#[tokio::test]
async fn a_destroyed_app_leaves_no_row_behind() {
    let store = home().await;
    let (app, kept) = (store.app("my-app").await, store.app("kept").await);
    let slug = store.slug(&app, &[("web", "run")]).await;
    let (release, _) = store.releases().deploy(app.id, slug.id, app.owner, "Deploy", false, at(3)).await.unwrap();
    let build = NewBuild {
        app: app.id,
        user: app.owner,
        stack: "host".to_owned(),
        buildpacks: vec![],
        source_version: None,
        source_description: None,
    };
    let build = store.builds().create(build, at(4)).await.unwrap();
    let ended = domain::build::BuildEvent::Succeeded;
    store.builds().finish(build.id, ended, Some(slug.id), Some(release.id), at(5)).await.unwrap();
    store.domains().add(app.id, "www.example.com".parse().unwrap(), at(4)).await.unwrap();
    store.collaborators().add(app.id, kept.owner, at(4)).await.unwrap();
    store.drains().add(app.id, "https://logs.example.com", "d.1", at(4)).await.unwrap();
    store.features().set(app.id, "preboot", true, at(4)).await.unwrap();
    store.buildpacks().replace(app.id, &["heroku/nodejs".parse().unwrap()], at(4)).await.unwrap();
    let dyno = Dyno {
        id: DynoId(uuid::Uuid::from_u128(1)),
        app: app.id,
        name: "web.1".parse().unwrap(),
        command: "run".to_owned(),
        release: release.id,
        release_version: release.version,
        size: DynoSize::Eco,
        state: DynoState::Starting,
        created_at: at(4),
        updated_at: at(4),
    };
    store.dynos().insert(&dyno).await.unwrap();

    assert!(store.apps().destroy(app.id).await.unwrap());
    assert!(!store.apps().destroy(app.id).await.unwrap());
    assert!(matches!(store.apps().set_maintenance(app.id, true, at(6)).await, Err(StoreError::Gone("app"))));

    let mut raw = raw(store.dir.path()).await;
    let tables = sqlx::query(
        "SELECT m.name FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table' AND c.name = 'app'",
    )
    .fetch_all(&mut raw)
    .await
    .unwrap();
    assert!(tables.len() >= 10, "all tables that hang on apps are looked at");
    for table in tables {
        let table: String = table.get(0);
        let count = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table} WHERE app = $1"));
        let left: i64 = sqlx::query_scalar(count).bind(app.id.to_string()).fetch_one(&mut raw).await.unwrap();
        assert_eq!(left, 0, "{table}");
    }
    let configs: i64 = sqlx::query_scalar("SELECT count(*) FROM release_configs").fetch_one(&mut raw).await.unwrap();
    assert_eq!(configs, 1, "only that of the app that was kept");

    let new = NewApp { name: app.name, owner: app.owner, stack: "host".to_owned() };
    let reborn = store.apps().create(new, at(9)).await.unwrap();
    assert_ne!(reborn.id, app.id);
    assert_eq!(store.versions(&reborn).await, (1, vec![1]));
    assert!(store.collaborators().list(reborn.id).await.unwrap().is_empty());
}
