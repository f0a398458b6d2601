//! The master keys of an open store, which may be exchanged while it is used.
//!
//! A rotation goes in steps, and a crash after any of them leaves a store that
//! opens: the new key is on the disk before the database hears of it, the
//! database knows it before anything is sealed with it, and an old key leaves
//! the file after the last row that it sealed has left the disk.

use std::sync::{Arc, PoisonError, RwLock};

use crate::keys::{MasterKeys, SealError};
use crate::{KeysError, Store, StoreError, config};

/// The keys in use. Who seals takes [`KeyRing::current`] once, inside his
/// write transaction: whatever was sealed with a key before is then seen by
/// the transaction that looks whether the key is still needed.
pub(crate) struct KeyRing(RwLock<Arc<MasterKeys>>);

impl KeyRing {
    pub(crate) fn new(keys: MasterKeys) -> Self {
        Self(RwLock::new(Arc::new(keys)))
    }

    pub(crate) fn current(&self) -> Arc<MasterKeys> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn open(&self, id: &str, sealed: &[u8], belongs_to: &[u8]) -> Result<Vec<u8>, SealError> {
        self.current().open(id, sealed, belongs_to)
    }

    fn exchange(&self, keys: MasterKeys) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
    }
}

/// The verbs of the keys that config vars are sealed with; see
/// [`Store::sealing_keys`]. One rotation at a time, please.
pub struct SealingKeys<'a> {
    pub(crate) store: &'a Store,
}

/// Why keys could not be exchanged.
#[derive(Debug, thiserror::Error)]
pub enum RotateError {
    #[error(transparent)]
    Keys(#[from] KeysError),
    #[error(transparent)]
    Store(#[from] StoreError),
}
crate::error::from_database_error!(RotateError);

impl SealingKeys<'_> {
    /// The id of the key that seals.
    pub fn newest(&self) -> String {
        self.store.keys().current().newest().to_owned()
    }

    /// How many older keys the file still holds: more than none after a
    /// rotation that was interrupted.
    pub fn older(&self) -> usize {
        self.store.keys().current().ids().count() - 1
    }

    /// Makes a new key, which seals from now on, and tells its id. What older
    /// ones sealed still opens.
    pub async fn begin_rotation(&self) -> Result<String, RotateError> {
        let keys = self.store.keys().current();
        let keys = tokio::task::spawn_blocking(move || keys.with_new()).await.map_err(failed)??;
        let newest = keys.newest().to_owned();
        config::note_key(self.store.writer(), &newest).await?;
        self.store.keys().exchange(keys);
        Ok(newest)
    }

    /// Seals at most `limit` configs of older keys with the newest key, and
    /// tells how many it were: to be repeated until none is left.
    pub async fn reseal(&self, limit: u32) -> Result<u64, StoreError> {
        let mut transaction = self.store.begin().await?;
        let resealed = config::reseal(&mut transaction, &self.store.keys().current(), limit).await?;
        transaction.commit().await?;
        Ok(resealed)
    }

    /// How many configs older keys have sealed.
    pub async fn left(&self) -> Result<u64, StoreError> {
        config::count_older(self.store.readers(), &self.newest()).await
    }

    /// Takes the older keys out of the file, unless something is sealed with
    /// one; tells which they were. What they sealed has left the database's
    /// files before.
    pub async fn drop_older(&self) -> Result<Vec<String>, RotateError> {
        let keys = self.store.keys().current();
        let mut transaction = self.store.begin().await?;
        let is_needed = !config::forget_older(&mut transaction, keys.newest()).await?;
        transaction.commit().await?;
        if is_needed || self.older() == 0 {
            return Ok(Vec::new());
        }
        self.store.inner.database.shorten_log().await?;
        let dropped = keys.ids().filter(|id| *id != keys.newest()).map(str::to_owned).collect();
        let keys = tokio::task::spawn_blocking(move || keys.only_newest()).await.map_err(failed)??;
        self.store.keys().exchange(keys);
        Ok(dropped)
    }
}

fn failed(panicked: tokio::task::JoinError) -> StoreError {
    StoreError::Task(panicked)
}
