//! A platform's data directory, to an archive and back.

#![expect(clippy::unwrap_used, reason = "a test that can not go on is to fail")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use backup::{BackupError, RESTORING, create, restore, verify};
use domain::ConfigKey;
use images::{BlobStore, Image, LAYER_MEDIA_TYPE, Layer, NewImage};
use jiff::Timestamp;
use store::{MasterKeys, NewApp, NewSlug, Store};

struct Made {
    dir: tempfile::TempDir,
    /// The slug's layer.
    layer: PathBuf,
}

impl Made {
    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn archive(&self) -> Vec<u8> {
        let mut archive = Vec::new();
        create(&self.data(), None, &mut archive, &mut |_| {}).unwrap();
        archive
    }
}

/// A data directory with an app that has code and a secret.
fn made() -> Made {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    for folder in ["run", "git/1.git/refs/heads", "git/1.git/objects/pack", "tls", "transcripts/app", "blobs", "logs"] {
        fs::create_dir_all(data.join(folder)).unwrap();
    }
    fs::set_permissions(data.join("git"), fs::Permissions::from_mode(0o711)).unwrap();
    for (name, content) in [
        ("git/1.git/HEAD", "ref: refs/heads/main\n"),
        ("git/1.git/refs/heads/main", "abc\n"),
        ("git/1.git/objects/pack/one.pack", "pack"),
        ("tls/ca.pem", "certificate"),
        ("tls/bundle-git-1.pem", "made again"),
        ("transcripts/app/1.log", "-----> Building"),
        ("logs/one", "lines"),
        ("buildpacks.toml", "x = 1"),
    ] {
        fs::write(data.join(name), content).unwrap();
    }
    let blobs = BlobStore::open(data.join("blobs")).unwrap();
    let layer = blobs.hold().put_bytes(b"layer").unwrap();
    blobs.hold().put_bytes(b"garbage").unwrap();
    let layers = vec![Layer {
        digest: layer.digest,
        size_bytes: 5,
        media_type: LAYER_MEDIA_TYPE.to_owned(),
        path: "app".to_owned(),
    }];
    let process_types = BTreeMap::from([("web".parse().unwrap(), "run".to_owned())]);
    let new = NewImage { layers, stack: "debian-13".to_owned(), process_types: process_types.clone() };
    let image = Image::create(&blobs.hold(), new).unwrap();

    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let store = open(&data).await;
        let now = Timestamp::now();
        let ann = store.accounts().create(&"ann@example.com".parse().unwrap(), None, None, true, now).await.unwrap();
        let new = NewApp { name: "shop".parse().unwrap(), owner: ann.id, stack: "debian-13".to_owned() };
        let app = store.apps().create(new, now).await.unwrap();
        let set = BTreeMap::from([("A".parse::<ConfigKey>().unwrap(), Some("planted".to_owned()))]);
        store.releases().with_config_change(app.id, &set, ann.id, "Set A", now).await.unwrap();
        let slug = NewSlug {
            app: app.id,
            image: image.manifest,
            process_types,
            commit: None,
            commit_description: None,
            buildpack_provided_description: None,
            stack: "debian-13".to_owned(),
            size_bytes: 5,
        };
        store.slugs().create(slug, now).await.unwrap();
        store.close().await;
    });
    Made { layer: blobs.path(layer.digest), dir }
}

async fn open(data: &Path) -> Store {
    let keys = MasterKeys::open_or_create(&data.join("keys")).unwrap();
    Store::open(&data.join("renga.db"), keys).await.unwrap()
}

fn restored(archive: &[u8], to: &Path) -> Result<backup::Summary, BackupError> {
    fs::create_dir_all(to).unwrap();
    restore(archive, to, |name| name == "run", &mut |_| {})
}

#[test]
fn what_is_restored_is_what_was_there() {
    let made = made();
    let archive = made.archive();
    let verified = verify(&archive[..], &mut |_| {}).unwrap();
    assert_eq!((verified.apps, verified.releases, verified.repositories, verified.images), (1, 2, 1, 1));
    let to = made.dir.path().join("restored");
    assert_eq!(restored(&archive, &to).unwrap(), verified);

    for name in ["git/1.git/HEAD", "git/1.git/objects/pack/one.pack", "tls/ca.pem", "buildpacks.toml"] {
        assert_eq!(fs::read(to.join(name)).unwrap(), fs::read(made.data().join(name)).unwrap(), "{name}");
    }
    assert_eq!(fs::metadata(to.join("git")).unwrap().permissions().mode() & 0o777, 0o711);
    assert_eq!(fs::metadata(to.join("keys/config.keys")).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(to.join(made.layer.strip_prefix(made.data()).unwrap()).is_file());
    for left_out in ["logs", "tls/bundle-git-1.pem", RESTORING] {
        assert!(!to.join(left_out).exists(), "{left_out}");
    }
    assert_eq!(BlobStore::open(to.join("blobs")).unwrap().list().unwrap().len(), 3, "no garbage came along");
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let store = open(&to).await;
        let app = store.apps().list_all().await.unwrap().remove(0);
        let config = store.releases().current_config(app.id).await.unwrap();
        assert_eq!(config.get("A"), Some("planted"));
    });
}

#[test]
fn no_byte_may_change_and_none_may_lack() {
    let made = made();
    let archive = made.archive();
    // Headers are repeated nowhere, so a few hundred places stand for all.
    for at in (0..archive.len()).step_by(archive.len() / 300) {
        let mut damaged = archive.clone();
        damaged[at] ^= 0x55;
        let found = verify(&damaged[..], &mut |_| {});
        // Padding and unused fields of tar's headers mean nothing.
        if let Ok(summary) = found {
            assert_eq!(summary, verify(&archive[..], &mut |_| {}).unwrap(), "byte {at}");
            let to = made.dir.path().join(format!("restored-{at}"));
            assert!(restored(&damaged, &to).is_ok(), "byte {at}");
        }
    }
    for length in [0, 10, 512, archive.len() / 3, archive.len() / 2, archive.len() - 3000] {
        assert!(verify(&archive[..length], &mut |_| {}).is_err(), "{length} of {} bytes", archive.len());
    }
}

#[test]
fn a_directory_with_something_in_it_is_left_alone() {
    let made = made();
    let archive = made.archive();
    let refused = restored(&archive, &made.data());
    assert!(matches!(refused, Err(BackupError::NotEmpty(_))), "{refused:?}");
    assert!(made.layer.is_file());
}

#[test]
fn a_restore_that_was_cut_off_is_repeated_and_one_that_fails_leaves_nothing() {
    let made = made();
    let archive = made.archive();
    let to = made.dir.path().join("restored");
    fs::create_dir_all(to.join(RESTORING).join("blobs")).unwrap();
    fs::create_dir_all(to.join("git/half.git")).unwrap();
    restored(&archive, &to).unwrap();
    assert!(!to.join("git/half.git").exists());

    let other = made.dir.path().join("other");
    assert!(restored(&archive[..archive.len() / 2], &other).is_err());
    assert_eq!(fs::read_dir(&other).unwrap().count(), 0);
}

#[test]
fn an_archive_writes_nowhere_else() {
    let made = made();
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.as_old_mut().name[..16].copy_from_slice(b"git/../../escape");
    header.set_size(1);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_entry_type(tar::EntryType::Regular);
    header.set_cksum();
    tar.append(&header, &b"x"[..]).unwrap();
    let to = made.dir.path().join("restored");
    assert!(matches!(restored(&tar.into_inner().unwrap(), &to), Err(BackupError::Damaged(_))));
    assert!(!made.dir.path().join("escape").exists());
}

#[test]
fn a_slug_that_is_gone_is_told() {
    let made = made();
    fs::remove_file(&made.layer).unwrap();
    let mut archive = Vec::new();
    let summary = create(&made.data(), None, &mut archive, &mut |_| {}).unwrap();
    assert_eq!(summary.absent_images.len(), 1);
    assert_eq!(summary.lost_images.len(), 0, "no release runs it");
    verify(&archive[..], &mut |_| {}).unwrap();
}
