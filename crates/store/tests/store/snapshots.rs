//! Copies of the database, as backups make them.

use store::{MasterKeys, Snapshot};

use crate::support::{at, changes, database, home};

#[tokio::test]
async fn a_copy_is_of_one_moment_and_whole() {
    let home = home().await;
    let app = home.app("one").await;
    let set = changes(&[("A", Some("secret"))]);
    home.releases().with_config_change(app.id, &set, app.owner, "Set A", at(3)).await.unwrap();
    let copy = home.dir.path().join("copy.db");
    Snapshot::take(&database(home.dir.path()), &copy).await.unwrap();
    home.app("two").await;

    let mut copy = Snapshot::open(&copy).await.unwrap();
    assert_eq!(copy.damage().await.unwrap(), Vec::<String>::new());
    let counts = copy.counts().await.unwrap();
    assert_eq!((counts.apps, counts.releases), (1, 2));
    let keys = MasterKeys::open_or_create(&home.dir.path().join("keys")).unwrap();
    copy.unseal_all(&keys).await.unwrap();
    let others = MasterKeys::open_or_create(&home.dir.path().join("other keys")).unwrap();
    assert!(copy.unseal_all(&others).await.is_err(), "other keys open nothing");
    copy.close().await.unwrap();
}

#[tokio::test]
async fn the_images_of_a_copy_are_told_with_whether_they_run() {
    let home = home().await;
    let app = home.app("one").await;
    home.slug(&app, &[("web", "run")]).await;
    let copy = home.dir.path().join("copy.db");
    Snapshot::take(&database(home.dir.path()), &copy).await.unwrap();
    let images = Snapshot::open(&copy).await.unwrap().images().await.unwrap();
    assert_eq!(images.len(), 1);
    assert!(!images[0].is_current, "no release has it");
}

#[tokio::test]
async fn a_database_that_is_not_there_is_not_made() {
    let dir = tempfile::tempdir().unwrap();
    let gone = database(dir.path());
    assert!(Snapshot::take(&gone, &dir.path().join("copy.db")).await.is_err());
    assert!(!gone.exists());
}
