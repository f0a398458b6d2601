//! The keys that config vars are sealed with, and their rotation.
//!
//! A new key seals from the first step on; what older keys sealed is sealed
//! anew in small batches while everything goes on; the older keys are dropped
//! when nothing is sealed with them. A rotation that a crash interrupts is
//! finished by the next start.

use std::sync::Arc;

use tokio::sync::{OwnedMutexGuard, mpsc};

use crate::{Platform, PlatformError};

/// Configs that are sealed anew in one transaction, while others wait to write.
const BATCH: u32 = 100;

pub struct SealingKeys<'a> {
    pub(crate) platform: &'a Arc<Platform>,
}

/// How far a rotation is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyProgress {
    /// The id of the key that seals now.
    pub key: String,
    /// Configs that were sealed anew.
    pub resealed: u64,
    /// Configs that are still sealed with older keys.
    pub left: u64,
    /// The ids of the older keys, once they are dropped.
    pub dropped: Vec<String>,
    /// Why it can't go on. The next start, or rotation, does.
    pub problem: Option<String>,
}

impl SealingKeys<'_> {
    /// Makes a new key, and seals everything with it beside the caller. The
    /// last of what is told has nothing left, or a problem.
    pub async fn rotate(&self) -> Result<mpsc::UnboundedReceiver<KeyProgress>, PlatformError> {
        let turn = self
            .platform
            .rotating
            .clone()
            .try_lock_owned()
            .map_err(|_| PlatformError::Conflict("A rotation is under way; wait for its end.".to_owned()))?;
        let key = self.platform.store.sealing_keys().begin_rotation().await.map_err(anyhow::Error::from)?;
        tracing::info!(key, "Config vars are sealed with a new key");
        Ok(self.platform.finish_rotation(turn))
    }
}

impl Platform {
    /// Goes on with a rotation that was interrupted, if there is one.
    pub(crate) fn resume_rotation(self: &Arc<Self>) {
        if self.store.sealing_keys().older() > 0
            && let Ok(turn) = self.rotating.clone().try_lock_owned()
        {
            tracing::info!("Going on with the rotation of keys that was interrupted");
            drop(self.finish_rotation(turn));
        }
    }

    fn finish_rotation(self: &Arc<Self>, turn: OwnedMutexGuard<()>) -> mpsc::UnboundedReceiver<KeyProgress> {
        let (tell, told) = mpsc::unbounded_channel();
        let platform = self.clone();
        self.background.spawn(async move {
            let _turn = turn;
            let mut progress = KeyProgress { key: platform.store.sealing_keys().newest(), ..KeyProgress::default() };
            // Who asked may have gone away; the rotation goes on.
            let tell = |progress: &KeyProgress| drop(tell.send(progress.clone()));
            if let Err(error) = platform.reseal_all(&mut progress, tell).await {
                tracing::error!(%error, "A rotation of keys did not come to its end; the next start goes on with it");
                progress.problem = Some("the server's log tells why; the next start, or rotation, goes on".to_owned());
            } else {
                tracing::info!(key = progress.key, resealed = progress.resealed, "All config vars are sealed anew");
            }
            tell(&progress);
        });
        told
    }

    async fn reseal_all(&self, progress: &mut KeyProgress, tell: impl Fn(&KeyProgress)) -> Result<(), anyhow::Error> {
        let keys = self.store.sealing_keys();
        progress.left = keys.left().await?;
        tell(progress);
        loop {
            let resealed = keys.reseal(BATCH).await?;
            progress.resealed += resealed;
            progress.left = keys.left().await?;
            if resealed == 0 {
                break;
            }
            tell(progress);
        }
        progress.dropped = keys.drop_older().await?;
        Ok(())
    }
}
