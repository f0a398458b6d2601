//! The exchange of the keys that config vars are sealed with.

use domain::App;
use store::{MasterKeys, Store};

use crate::support::{Home, at, changes, home, open, raw, stored_bytes};

const CONFIGS: u32 = 6;

async fn with_configs() -> (Home, App) {
    let home = home().await;
    let app = home.app("one").await;
    for number in 2..=CONFIGS {
        let set = changes(&[("N", Some(&number.to_string()))]);
        home.releases().with_config_change(app.id, &set, app.owner, "Set N", at(3)).await.unwrap();
    }
    (home, app)
}

async fn check_configs(store: &Store, app: &App) {
    for release in store.releases().list(app.id).await.unwrap() {
        let config = store.releases().config(release.id).await.unwrap();
        let expected = (release.version > 1).then(|| release.version.min(CONFIGS).to_string());
        assert_eq!(config.get("N"), expected.as_deref());
    }
}

async fn sealed(home: &Home) -> Vec<Vec<u8>> {
    sqlx::query_scalar("SELECT sealed FROM release_configs").fetch_all(&mut raw(home.dir.path()).await).await.unwrap()
}

fn keys_in_file(home: &Home) -> usize {
    std::fs::read_to_string(home.dir.path().join("keys/config.keys")).unwrap().lines().count()
}

async fn finish(store: &Store) -> Vec<String> {
    while store.sealing_keys().reseal(4).await.unwrap() > 0 {}
    assert_eq!(store.sealing_keys().left().await.unwrap(), 0);
    store.sealing_keys().drop_older().await.unwrap()
}

#[tokio::test]
async fn a_rotation_seals_everything_anew_and_drops_the_old_key() {
    let (home, app) = with_configs().await;
    let keys = home.sealing_keys();
    let old = keys.newest();
    assert_eq!((keys.reseal(100).await.unwrap(), keys.left().await.unwrap(), keys.older()), (0, 0, 0));
    assert!(keys.drop_older().await.unwrap().is_empty());
    let before = sealed(&home).await;

    let new = keys.begin_rotation().await.unwrap();
    assert_ne!(new, old);
    assert_eq!((keys.newest(), keys.older(), keys.left().await.unwrap()), (new.clone(), 1, u64::from(CONFIGS)));
    check_configs(&home, &app).await;
    assert!(keys.drop_older().await.unwrap().is_empty(), "it is still needed");
    assert_eq!(keys_in_file(&home), 2);
    assert_eq!(keys.reseal(4).await.unwrap(), 4);
    assert!(keys.drop_older().await.unwrap().is_empty(), "it is still needed");
    check_configs(&home, &app).await;
    assert_eq!(keys.reseal(4).await.unwrap(), 2);
    assert_eq!(keys.drop_older().await.unwrap(), [old]);
    assert_eq!((keys.older(), keys_in_file(&home)), (0, 1));
    check_configs(&home, &app).await;

    let bytes = stored_bytes(&home);
    for old in before {
        assert!(!bytes.windows(old.len()).any(|window| window == old), "what the old key sealed is still on the disk");
    }
    home.store.close().await;
    check_configs(&open(home.dir.path()).await, &app).await;
}

#[tokio::test]
async fn a_crash_at_any_point_of_a_rotation_leaves_a_store_that_opens_and_can_finish_it() {
    for steps in 0..5 {
        let (home, app) = with_configs().await;
        let keys = home.sealing_keys();
        if steps >= 1 {
            keys.begin_rotation().await.unwrap();
        }
        if steps >= 2 {
            keys.reseal(4).await.unwrap();
        }
        if steps >= 3 {
            keys.reseal(4).await.unwrap();
        }
        if steps >= 4 {
            // As a crash leaves it between the database and the file.
            let text = std::fs::read(home.dir.path().join("keys/config.keys")).unwrap();
            keys.drop_older().await.unwrap();
            std::fs::write(home.dir.path().join("keys/config.keys"), text).unwrap();
        }
        home.store.close().await;

        let store = open(home.dir.path()).await;
        check_configs(&store, &app).await;
        assert_eq!(store.sealing_keys().older(), usize::from(steps >= 1), "step {steps}");
        assert_eq!(finish(&store).await.len(), usize::from(steps >= 1), "step {steps}");
        check_configs(&store, &app).await;
        assert_eq!(keys_in_file(&home), 1);
    }
}

/// The key is in the file, and the database has not heard of it.
#[tokio::test]
async fn a_key_that_only_the_file_knows_seals_from_the_next_start_on() {
    let (home, app) = with_configs().await;
    let path = home.dir.path().join("keys/config.keys");
    let other = tempfile::tempdir().unwrap();
    MasterKeys::open_or_create(other.path()).unwrap();
    let line = std::fs::read_to_string(other.path().join("config.keys")).unwrap();
    home.store.close().await;
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text + &line).unwrap();

    let store = open(home.dir.path()).await;
    assert_eq!(store.sealing_keys().left().await.unwrap(), u64::from(CONFIGS));
    finish(&store).await;
    check_configs(&store, &app).await;
    assert_eq!(std::fs::read_to_string(&path).unwrap(), line);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn configs_are_read_and_changed_while_keys_are_exchanged() {
    let (home, app) = with_configs().await;
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let (store, stopped, id, owner) = (home.store.clone(), stop.clone(), app.id, app.owner);
    let user = tokio::spawn(async move {
        let mut turns = 0_u32;
        while !stopped.load(std::sync::atomic::Ordering::Acquire) {
            let set = changes(&[("TURN", Some(&turns.to_string()))]);
            let (release, config) =
                store.releases().with_config_change(id, &set, owner, "Set TURN", at(4)).await.unwrap();
            assert_eq!(store.releases().config(release.id).await.unwrap(), config);
            store.releases().config(store.releases().by_version(id, 2).await.unwrap().unwrap().id).await.unwrap();
            turns += 1;
        }
        turns
    });
    for _ in 0..8 {
        let latest = home.releases().list(app.id).await.unwrap().len();
        home.sealing_keys().begin_rotation().await.unwrap();
        assert_eq!(finish(&home).await.len(), 1);
        while home.releases().list(app.id).await.unwrap().len() <= latest && !user.is_finished() {
            tokio::task::yield_now().await;
        }
    }
    stop.store(true, std::sync::atomic::Ordering::Release);
    assert!(user.await.unwrap() >= 8);
    assert_eq!(home.sealing_keys().left().await.unwrap(), 0);
}
