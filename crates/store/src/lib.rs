//! The truth: all SQL, behind verbs of the platform.
//!
//! [`Store`] is cheap to clone. Its verbs stand in small groups, one per noun:
//! `store.apps().create(..)`, `store.releases().finish(..)`. A verb is one
//! transaction: what it returned `Ok` for survives a crash of the machine, and
//! what it did not return `Ok` for is either there as a whole or not at all.
//! The store has no clock: verbs that note a time are handed it.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! use store::{MasterKeys, NewApp, Store};
//!
//! # let dir = tempfile::tempdir().unwrap();
//! # let dir = dir.path();
//! let keys = MasterKeys::open_or_create(&dir.join("keys")).unwrap();
//! let store = Store::open(&dir.join("renga.db"), keys).await.unwrap();
//! let now = jiff::Timestamp::now();
//! let ann = store.accounts().create(&"ann@example.com".parse().unwrap(), None, None, false, now).await.unwrap();
//! let app = NewApp { name: "my-app".parse().unwrap(), owner: ann.id, stack: "debian-13".to_owned() };
//! let app = store.apps().create(app, now).await.unwrap();
//! assert_eq!(store.releases().current(app.id).await.unwrap().unwrap().version, 1);
//! # });
//! ```

mod accounts;
mod api_keys;
mod apps;
mod buildpacks;
mod builds;
mod collaborators;
mod config;
mod database;
mod domains;
mod drains;
mod dynos;
mod error;
mod features;
mod formation;
mod going_live;
mod housekeeping;
mod ids;
mod journal;
mod key_ring;
mod keys;
mod migrations;
mod next_release;
mod passwords;
mod releases;
mod rows;
mod slugs;
mod snapshot;
mod sources;
mod ssh_keys;
mod tokens;

use std::path::Path;
use std::sync::Arc;

pub use accounts::{Accounts, CreateAccountError, DeleteAccountError};
pub use api_keys::ApiKeys;
pub use apps::{Apps, CreateAppError, NewApp, RenameError};
pub use buildpacks::Buildpacks;
pub use builds::{Builds, FinishBuildError, NewBuild};
pub use collaborators::{AddCollaboratorError, Collaborators};
pub use domains::{AddDomainError, Domains};
pub use drains::{AddDrainError, Drains};
pub use dynos::Dynos;
pub use error::{OpenError, StoreError};
pub use features::Features;
pub use formation::{FormationChange, Formations, UpdateFormationError};
pub use housekeeping::Housekeeping;
pub use key_ring::{RotateError, SealingKeys};
pub use keys::{KeysError, MasterKeys};
pub use releases::{ChangeConfigError, FinishReleaseError, NewRelease, Releases};
pub use slugs::{NewSlug, Slugs};
pub use snapshot::{SlugImage, Snapshot, SnapshotCounts};
pub use sources::{NewSource, Sources};
pub use ssh_keys::{AddSshKeyError, SshKeys};

use database::Database;
use key_ring::KeyRing;
use passwords::Passwords;

/// The platform's database. Clones share it.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    database: Database,
    keys: KeyRing,
    passwords: Passwords,
}

impl Store {
    /// Opens the database at `path`, making it if there is none, and brings
    /// it to this version's shape. Refuses one of a newer version, and one
    /// whose config vars are sealed with keys that `keys` lacks.
    pub async fn open(path: &Path, keys: MasterKeys) -> Result<Self, OpenError> {
        let _lock = database::opening_lock(path).await?;
        let database = Database::open(path).await?;
        migrations::run(&database).await?;
        config::check_keys(&database, &keys).await?;
        Ok(Self { inner: Arc::new(Inner { database, keys: KeyRing::new(keys), passwords: Passwords::new() }) })
    }

    /// Whether the database answers, for readers and for the writer.
    pub async fn ping(&self) -> Result<(), StoreError> {
        for pool in [self.readers(), self.writer()] {
            sqlx::query("SELECT id FROM master_keys LIMIT 1").fetch_optional(pool).await?;
        }
        Ok(())
    }

    /// Waits for what runs, then closes all connections; every later verb
    /// fails. A store that is dropped instead loses nothing either.
    pub async fn close(&self) {
        self.inner.database.close().await;
    }

    fn readers(&self) -> &database::Pool {
        &self.inner.database.readers
    }

    fn writer(&self) -> &database::Pool {
        &self.inner.database.writer
    }

    async fn begin(&self) -> Result<database::Transaction, StoreError> {
        self.inner.database.begin().await
    }

    fn keys(&self) -> &KeyRing {
        &self.inner.keys
    }
}

macro_rules! groups {
    ($($verb:ident: $group:ident),+ $(,)?) => {
        impl Store {
            $(
                #[doc = concat!("The verbs of ", stringify!($verb), ".")]
                pub fn $verb(&self) -> $group<'_> {
                    $group { store: self }
                }
            )+
        }
    };
}

groups! {
    accounts: Accounts,
    api_keys: ApiKeys,
    apps: Apps,
    buildpacks: Buildpacks,
    builds: Builds,
    collaborators: Collaborators,
    domains: Domains,
    drains: Drains,
    dynos: Dynos,
    features: Features,
    formation: Formations,
    housekeeping: Housekeeping,
    releases: Releases,
    sealing_keys: SealingKeys,
    slugs: Slugs,
    sources: Sources,
    ssh_keys: SshKeys,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_send<T: Send>(_: T) {}

    #[test]
    fn opening_may_move_between_threads() {
        let _ = |path, keys| is_send(Store::open(path, keys));
    }
}
