//! Single runs: what each kind of garbage is.

use std::fs::{self, File, FileTimes};
use std::path::Path;
use std::time::{Duration, SystemTime};

use domain::release::ReleaseState;
use platform::{Garbage, GcEvent, PlatformError};

use crate::support::{app, caller, collect, deployed, of, tight};

#[tokio::test]
async fn old_releases_expire_and_their_blobs_go() {
    let test = tight().await;
    let app = app(&test, "pushed").await;
    for version in ["one", "two", "three", "four"] {
        deployed(&test, &app, &["dependencies", version]).await;
    }
    let before = test.images.list().unwrap();
    let promised = collect(&test, true).await;
    assert_eq!(test.images.list().unwrap().len(), before.len(), "a dry run removes nothing");
    let found = collect(&test, false).await;
    assert_eq!(found, promised);
    assert_eq!(of(&found, Garbage::Releases).items, 2);
    // A layer, a manifest and a config of each.
    assert_eq!(of(&found, Garbage::Blobs).items, 6);
    assert_eq!(test.images.list().unwrap().len(), before.len() - 6);
    let again = collect(&test, false).await;
    assert!(again.iter().all(|found| found.items == 0), "{again:?}");

    let (platform, me) = (&test.platform, caller(&test.operator));
    let releases = platform.releases().list(&app).await.unwrap();
    let states: Vec<ReleaseState> = releases.iter().map(|release| release.state).collect();
    use ReleaseState::{Expired, Succeeded};
    assert_eq!(states, [Succeeded, Succeeded, Expired, Expired, Succeeded]);
    for expired in ["v2", "v3"] {
        match platform.releases().rollback(&me, &app, expired).await {
            Err(PlatformError::Invalid(text)) => assert!(text.contains("it has expired"), "{text}"),
            other => panic!("{other:?}"),
        }
    }
    let slug = releases[3].slug.unwrap();
    let refused = platform.releases().release_slug(&me, &app, slug, None).await;
    assert!(matches!(refused, Err(PlatformError::Invalid(_))), "{refused:?}");
    assert_eq!(platform.releases().rollback(&me, &app, "v4").await.unwrap().version, 6);
}

#[tokio::test]
async fn what_destroyed_apps_leave_goes() {
    let test = tight().await;
    let (kept, gone) = (app(&test, "kept").await, app(&test, "gone").await);
    for app in [&kept, &gone] {
        deployed(&test, app, &["shared", app.name.as_str()]).await;
        let repository = test.platform.repository_path(app.id);
        fs::create_dir_all(&repository).unwrap();
        fs::write(repository.join("pack"), vec![1; 50_000]).unwrap();
    }
    // Past the platform, as a crash right after the row was deleted leaves it.
    assert!(test.store.apps().destroy(gone.id).await.unwrap());
    let found = collect(&test, false).await;
    let apps = of(&found, Garbage::Apps);
    assert_eq!(apps.items, 1);
    assert!(apps.bytes >= 50_000, "{apps:?}");
    assert_eq!(of(&found, Garbage::Blobs).items, 3);
    assert!(test.platform.repository_path(kept.id).exists() && !test.platform.repository_path(gone.id).exists());
}

#[tokio::test]
async fn nothing_is_deleted_when_an_image_can_not_be_read() {
    let test = tight().await;
    let app = app(&test, "damaged").await;
    for version in ["one", "two", "three"] {
        deployed(&test, &app, &[version]).await;
    }
    let current = test.store.releases().current(app.id).await.unwrap().unwrap().slug.unwrap();
    let slug = test.store.slugs().by_id(current).await.unwrap().unwrap();
    fs::write(test.images.path(slug.image), "{").unwrap();
    let before = test.images.list().unwrap().len();
    let mut events = test.platform.housekeeping().collect(false).await.unwrap();
    let (mut problems, mut kinds) = (Vec::new(), 0);
    while let Some(event) = events.recv().await {
        match event {
            GcEvent::Problem { kind, reason } => problems.push((kind, reason)),
            GcEvent::Collected(_) => kinds += 1,
        }
    }
    assert!(problems.iter().all(|(kind, _)| *kind == Garbage::Blobs), "{problems:?}");
    assert!(problems.iter().any(|(_, reason)| reason.contains("no blob is deleted")), "{problems:?}");
    assert_eq!((kinds, test.images.list().unwrap().len()), (7, before), "the other kinds go on");
}

#[tokio::test]
async fn a_backup_or_another_run_keeps_collections_away() {
    let test = tight().await;
    let lock = test.platform.settings().data_dir.join("run/gc.lock");
    collect(&test, true).await;
    // Beside this thread, on which the platform's own first run may hold it.
    let backup = tokio::task::spawn_blocking(move || {
        let backup = File::open(&lock).unwrap();
        backup.lock_shared().map(|()| backup).unwrap()
    });
    let backup = backup.await.unwrap();
    assert!(matches!(test.platform.housekeeping().collect(false).await, Err(PlatformError::Conflict(_))));
    drop(backup);
    collect(&test, false).await;
}

#[tokio::test]
async fn caches_beyond_the_limit_go_the_longest_unused_first() {
    let test = test_support::TestPlatform::start_with(|settings| settings.disk.cache_bytes = 250_000).await;
    let folder = test.platform.settings().data_dir.join("cache/builds");
    let mut caches = Vec::new();
    for (number, name) in ["new", "old", "older"].into_iter().enumerate() {
        let path = folder.join(format!("{}.img", app(&test, name).await.id));
        fs::write(&path, vec![1; 100_000]).unwrap();
        age(&path, Duration::from_secs(3600 * (number as u64 + 1)));
        caches.push(path);
    }
    assert_eq!(of(&collect(&test, false).await, Garbage::Caches).items, 1);
    let there: Vec<bool> = caches.iter().map(|path| path.exists()).collect();
    assert_eq!(there, [true, true, false]);
}

#[tokio::test]
async fn what_a_killed_server_was_writing_goes() {
    let test = tight().await;
    let data_dir = &test.platform.settings().data_dir;
    let old = [data_dir.join("blobs/unfinished/.tmpOld"), data_dir.join("git/.new-0123/HEAD")];
    fs::create_dir_all(data_dir.join("git/.new-0123")).unwrap();
    for path in &old {
        fs::write(path, "half").unwrap();
    }
    for path in [&old[0], &data_dir.join("git/.new-0123")] {
        age(path, Duration::from_secs(60));
    }
    let unfinished = test.images.unfinished().unwrap();
    assert_eq!(of(&collect(&test, false).await, Garbage::Leftovers).items, 2);
    assert!(old.iter().all(|path| !path.exists()) && unfinished.path().exists());
}

#[tokio::test]
async fn outputs_of_old_builds_go_with_their_releases() {
    let test = tight().await;
    let app = app(&test, "chatty").await;
    let folder = test.platform.settings().data_dir.join("transcripts").join(app.id.to_string());
    fs::create_dir_all(&folder).unwrap();
    let mut paths = Vec::new();
    for second in 0..4 {
        let new = store::NewBuild {
            app: app.id,
            user: test.operator.id,
            stack: "host".to_owned(),
            buildpacks: Vec::new(),
            source_version: None,
            source_description: None,
        };
        let at = jiff::Timestamp::now() - jiff::SignedDuration::from_secs(100 - second);
        let build = test.store.builds().create(new, at).await.unwrap();
        paths.push(folder.join(format!("{}.log", build.id)));
    }
    paths.push(folder.join("00000000-0000-4000-8000-000000000000.log"));
    for path in &paths {
        fs::write(path, "-----> Building\n").unwrap();
    }
    age(&paths[4], Duration::from_secs(25 * 3600));
    assert_eq!(of(&collect(&test, false).await, Garbage::Transcripts).items, 3);
    let there: Vec<bool> = paths.iter().map(|path| path.exists()).collect();
    assert_eq!(there, [false, false, true, true, false]);
}

#[tokio::test]
async fn the_use_of_the_disk_is_told_by_kind() {
    let test = tight().await;
    let app = app(&test, "heavy").await;
    deployed(&test, &app, &[&"x".repeat(300_000)]).await;
    let usage = test.platform.housekeeping().disk_usage().await.unwrap();
    let blobs = usage.uses.iter().find(|one| one.name == "blobs").unwrap();
    assert!((300_000..600_000).contains(&blobs.bytes) && blobs.files == 3, "{blobs:?}");
    assert!(usage.filesystem.total_bytes > usage.filesystem.available_bytes);
}

fn age(path: &Path, by: Duration) {
    let then = FileTimes::new().set_modified(SystemTime::now() - by);
    File::open(path).unwrap().set_times(then).unwrap();
}
