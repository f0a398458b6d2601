//! A store in a folder of its own, and rows that tests begin with.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use domain::account::Account;
use domain::build::Slug;
use domain::{App, ConfigKey, ConfigVars, Digest};
use jiff::Timestamp;
use store::{MasterKeys, NewApp, NewSlug, Store};
use tempfile::TempDir;

/// The time that tests live in: this many seconds after the beginning of 2026.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_767_225_600 + seconds).unwrap()
}

pub(crate) struct Home {
    pub(crate) dir: TempDir,
    pub(crate) store: Store,
}

impl std::ops::Deref for Home {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}

pub(crate) async fn home() -> Home {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    Home { dir, store }
}

pub(crate) fn database(dir: &Path) -> PathBuf {
    dir.join("renga.db")
}

pub(crate) async fn open(dir: &Path) -> Store {
    let keys = MasterKeys::open_or_create(&dir.join("keys")).unwrap();
    Store::open(&database(dir), keys).await.unwrap()
}

/// The file, past the store: for what no verb does.
pub(crate) async fn raw(dir: &Path) -> sqlx::SqliteConnection {
    use sqlx::Connection;
    sqlx::SqliteConnection::connect(&format!("sqlite://{}", database(dir).display())).await.unwrap()
}

/// All bytes of the database, its log and whatever else lies beside it; the
/// keys lie in a folder of their own.
pub(crate) fn stored_bytes(home: &Home) -> Vec<u8> {
    let files = std::fs::read_dir(home.dir.path()).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.is_file()).flat_map(|path| std::fs::read(path).unwrap()).collect()
}

impl Home {
    pub(crate) async fn account(&self, email: &str) -> Account {
        self.accounts().create(&email.parse().unwrap(), None, None, false, at(0)).await.unwrap()
    }

    /// An app of an account of its own.
    pub(crate) async fn app(&self, name: &str) -> App {
        let owner = self.account(&format!("{name}@example.com")).await.id;
        let new = NewApp { name: name.parse().unwrap(), owner, stack: "debian-13".to_owned() };
        self.apps().create(new, at(1)).await.unwrap()
    }

    pub(crate) async fn slug(&self, app: &App, process_types: &[(&str, &str)]) -> Slug {
        let new = NewSlug { app: app.id, ..new_slug(app, process_types) };
        self.slugs().create(new, at(2)).await.unwrap()
    }

    /// Which release is live, and all versions, newest first.
    pub(crate) async fn versions(&self, app: &App) -> (u32, Vec<u32>) {
        let releases = self.releases().list(app.id).await.unwrap();
        let live: Vec<u32> = releases.iter().filter(|release| release.current).map(|release| release.version).collect();
        assert_eq!(live.len(), 1, "exactly one release is live");
        (live[0], releases.iter().map(|release| release.version).collect())
    }

    /// `web=1 worker=0`
    pub(crate) async fn formation_text(&self, app: &App) -> String {
        let entries = self.formation().list(app.id).await.unwrap();
        let texts: Vec<String> =
            entries.iter().map(|entry| format!("{}={}", entry.process_type, entry.quantity)).collect();
        texts.join(" ")
    }
}

pub(crate) fn new_slug(app: &App, process_types: &[(&str, &str)]) -> NewSlug {
    NewSlug {
        app: app.id,
        image: Digest::from_sha256([7; 32]),
        process_types: process_types
            .iter()
            .map(|(name, command)| (name.parse().unwrap(), (*command).to_owned()))
            .collect(),
        commit: Some("2c3a0b2".to_owned()),
        commit_description: Some("Say hello".to_owned()),
        buildpack_provided_description: Some("Node.js".to_owned()),
        stack: "debian-13".to_owned(),
        size_bytes: 4096,
    }
}

pub(crate) fn changes(changes: &[(&str, Option<&str>)]) -> BTreeMap<ConfigKey, Option<String>> {
    changes.iter().map(|(key, value)| (key.parse().unwrap(), value.map(str::to_owned))).collect()
}

pub(crate) fn vars(vars: &[(&str, &str)]) -> ConfigVars {
    vars.iter().map(|(key, value)| (key.parse().unwrap(), (*value).to_owned())).collect()
}
