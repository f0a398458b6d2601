//! Housekeeping: what nothing needs any more leaves the disk.
//!
//! Garbage is what no row of the store leads to. A run marks first (old slugs
//! are noted as collected, and their releases have expired), and deletes then,
//! so a crash leaves garbage for the next run, and never a row that leads to
//! nothing. Runs come by themselves now and then and after an app was
//! destroyed, and when the owner asks for one.

mod apps;
mod blobs;
mod caches;
mod leftovers;
mod measure;
mod run;
mod transcripts;
mod usage;

use std::sync::Arc;

use domain::Retention;
use images::GcLock;
use tokio::sync::mpsc;

use crate::{Platform, PlatformError};
use run::Run;

pub use usage::{DiskUsage, Filesystem, Use};

/// What the operator decides about the disk.
#[derive(Debug, Clone, Copy)]
pub struct DiskSettings {
    /// Which releases can be gone back to.
    pub retention: Retention,
    /// All apps' build caches together; those not used for longest go first.
    pub cache_bytes: u64,
}

impl Default for DiskSettings {
    fn default() -> Self {
        Self { retention: Retention::default(), cache_bytes: 20 << 30 }
    }
}

/// Kinds of garbage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Garbage {
    /// Slugs of releases that are old and beyond the newest. Their bytes are
    /// counted as blobs.
    Releases,
    /// Repositories, caches, logs and transcripts of destroyed apps.
    Apps,
    /// Output of old builds and release commands.
    Transcripts,
    /// Build caches beyond the limit.
    Caches,
    /// Image parts that no release is made of.
    Blobs,
    /// Mounted or unpacked images that no dyno uses and no release has.
    Images,
    /// Versions of a stack that a newer one has replaced.
    Stacks,
    /// What was being written when a server was killed.
    Leftovers,
}

impl Garbage {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Releases => "releases",
            Self::Apps => "apps",
            Self::Transcripts => "transcripts",
            Self::Caches => "caches",
            Self::Blobs => "blobs",
            Self::Images => "images",
            Self::Stacks => "stacks",
            Self::Leftovers => "leftovers",
        }
    }
}

/// So much of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    pub kind: Garbage,
    pub items: u64,
    /// What the files take on the disk.
    pub bytes: u64,
}

impl Found {
    fn nothing(kind: Garbage) -> Self {
        Self { kind, items: 0, bytes: 0 }
    }

    fn add(&mut self, bytes: u64) {
        self.items += 1;
        self.bytes += bytes;
    }
}

/// What a run tells, kind by kind as it gets done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GcEvent {
    Collected(Found),
    /// Something could not be looked at or removed; the run goes on without.
    Problem {
        kind: Garbage,
        reason: String,
    },
}

/// Events of a run that goes on beside its reader; it ends with the run.
pub type GcEvents = mpsc::UnboundedReceiver<GcEvent>;

pub struct Housekeeping<'a> {
    pub(crate) platform: &'a Arc<Platform>,
}

impl Housekeeping<'_> {
    /// Begins a run, or with `dry_run` finds out what one would collect; waits
    /// for one that is under way. It goes on to its end also if no one reads
    /// the events (one per kind).
    pub async fn collect(&self, dry_run: bool) -> Result<GcEvents, PlatformError> {
        let turn = self.platform.collecting.clone().lock_owned().await;
        let lock = GcLock::try_exclusive(&self.platform.settings.data_dir).map_err(anyhow::Error::from)?;
        let Some(lock) = lock else {
            let text = "A backup is under way, and nothing is removed meanwhile; try again when it has ended.";
            return Err(PlatformError::Conflict(text.to_owned()));
        };
        let (events, read) = mpsc::unbounded_channel();
        let platform = self.platform.clone();
        self.platform.background.spawn(async move {
            let run = Run { platform: &platform, dry_run, events };
            run.all().await;
            // Before the events end: who waited for that may want the lock.
            drop((lock, turn));
        });
        Ok(read)
    }

    /// What takes how much of the disk. Walks all files: takes a while.
    pub async fn disk_usage(&self) -> Result<DiskUsage, PlatformError> {
        usage::of(self.platform).await
    }
}

impl Platform {
    /// A run by the platform itself; what it did goes to the log.
    pub(crate) async fn collect_garbage(self: &Arc<Self>) {
        let mut events = match self.housekeeping().collect(false).await {
            Ok(events) => events,
            Err(reason) => return tracing::info!(%reason, "Nothing is collected now"),
        };
        let (mut items, mut bytes) = (0, 0);
        while let Some(event) = events.recv().await {
            match event {
                GcEvent::Collected(found) => (items, bytes) = (items + found.items, bytes + found.bytes),
                GcEvent::Problem { kind, reason } => {
                    tracing::warn!(kind = kind.name(), reason, "Could not collect all garbage");
                }
            }
        }
        if items > 0 {
            tracing::info!(items, bytes, "Collected garbage: {}", domain::ByteCount(bytes));
        }
    }
}
