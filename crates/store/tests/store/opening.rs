//! Opening a database: new, again, at the same time, and when it must not be.

use std::os::unix::fs::PermissionsExt;

use store::{MasterKeys, OpenError, Store};

use crate::support::{at, changes, database, home, open, raw, vars};

#[tokio::test]
async fn everything_is_there_when_it_is_opened_again() {
    let home = home().await;
    let app = home.app("one").await;
    let set = changes(&[("A", Some("1"))]);
    home.releases().with_config_change(app.id, &set, app.owner, "Set A", at(3)).await.unwrap();
    home.ping().await.unwrap();
    let app = home.apps().by_id(app.id).await.unwrap();
    home.store.close().await;
    assert!(home.ping().await.is_err(), "a closed store answers nothing");

    let again = open(home.dir.path()).await;
    let id = app.as_ref().unwrap().id;
    assert_eq!(again.apps().by_id(id).await.unwrap(), app);
    assert_eq!(again.releases().current_config(id).await.unwrap(), vars(&[("A", "1")]));
}

#[tokio::test]
async fn only_the_owner_of_the_folder_reads_the_files() {
    let home = home().await;
    home.app("one").await;
    let mut files = 0;
    for entry in std::fs::read_dir(home.dir.path()).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_file() {
            assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.path());
            files += 1;
        }
    }
    assert_eq!(files, 4, "the database, its log, the log's index, and the lock");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_that_start_at_the_same_moment_make_one_database() {
    let dir = tempfile::tempdir().unwrap();
    let starts = (0..6).map(|_| {
        let path = dir.path().to_owned();
        tokio::spawn(async move { open(&path).await })
    });
    let stores: Vec<Store> = futures::future::join_all(starts).await.into_iter().map(Result::unwrap).collect();
    for (number, store) in stores.iter().enumerate() {
        let email = format!("a{number}@example.com").parse().unwrap();
        store.accounts().create(&email, None, None, false, at(0)).await.unwrap();
    }
    assert_eq!(stores[0].accounts().list().await.unwrap().len(), 6);
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused_and_left_alone() {
    let home = home().await;
    home.store.close().await;
    let mut raw = raw(home.dir.path()).await;
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                 VALUES (9999, 'from the future', 1, x'00', 0)";
    sqlx::query(newer).execute(&mut raw).await.unwrap();
    let keys = MasterKeys::open_or_create(&home.dir.path().join("keys")).unwrap();
    let Err(refusal) = Store::open(&database(home.dir.path()), keys).await else { panic!("it was opened") };
    assert!(matches!(refusal, OpenError::Newer { found: 9999, .. }), "{refusal:?}");
    assert!(refusal.to_string().contains("newer version of Renga"));
}

#[tokio::test]
async fn without_the_keys_that_sealed_it_a_database_is_refused() {
    let home = home().await;
    home.app("one").await;
    home.store.close().await;
    std::fs::rename(home.dir.path().join("keys"), home.dir.path().join("lost")).unwrap();
    for _ in 0..2 {
        let keys = MasterKeys::open_or_create(&home.dir.path().join("keys")).unwrap();
        let Err(refusal) = Store::open(&database(home.dir.path()), keys).await else { panic!("it was opened") };
        assert!(matches!(refusal, OpenError::KeyMissing { .. }), "{refusal:?}");
    }
    std::fs::rename(home.dir.path().join("lost/config.keys"), home.dir.path().join("keys/config.keys")).unwrap();
    open(home.dir.path()).await;
}

#[tokio::test]
async fn what_is_no_database_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let text = "This is a letter, not a database. ".repeat(100);
    std::fs::write(database(dir.path()), &text).unwrap();
    let keys = MasterKeys::open_or_create(&dir.path().join("keys")).unwrap();
    let Err(refusal) = Store::open(&database(dir.path()), keys).await else { panic!("it was opened") };
    assert!(matches!(refusal, OpenError::Open { .. }), "{refusal:?}");
    assert_eq!(std::fs::read_to_string(database(dir.path())).unwrap(), text);
}
