//! What a dyno holds on this machine, and when it is free again: once the
//! keeper says that the dyno is gone, and never before.

use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use domain::DynoId;
use runtime::RuntimeError;
use tokio::task::spawn_blocking;

use crate::client::OrderError;
use crate::listening::Probe;
use crate::local::LocalRuntime;
use crate::tree::remove_tree;
use crate::wire::{Order, Record, Refusal, RefusalKind};

/// What a dyno holds until it is removed.
pub(crate) struct Held {
    pub(crate) slot: u16,
    pub(crate) address: Ipv4Addr,
    pub(crate) images: Vec<String>,
    /// The host's number of its pid 1; 0: it had ended when it was found.
    pub(crate) pid: i32,
    /// While someone waits for it to listen.
    pub(crate) probe: Option<Arc<Probe>>,
}

impl Held {
    pub(crate) fn of(record: &Record, pid: i32) -> Self {
        Self { slot: record.slot, address: record.address, images: record.images.clone(), pid, probe: None }
    }
}

impl LocalRuntime {
    /// Has the keeper end and forget a dyno, and then frees what it held. If
    /// the answer is lost that is done once there is a keeper to ask again.
    pub(crate) async fn forget(self: Arc<Self>, id: DynoId) -> Result<(), RuntimeError> {
        let netns = match self.control().order(Order::Forget { dyno: id }, Vec::new()).await {
            Ok(Ok((_, mut descriptors))) => descriptors.pop(),
            Ok(Err(Refusal { kind: RefusalKind::NoSuchDyno, .. })) => None,
            Ok(Err(refusal)) => return Err(RuntimeError::Keeper(refusal.what)),
            Err(error) => {
                let held = self.held().remove(&id);
                self.doubtful().extend(held.map(|held| (id, held)));
                return Err(RuntimeError::Keeper(told(&error)));
            }
        };
        let held = self.held().remove(&id);
        let held = held.or_else(|| self.doubtful().remove(&id));
        match held {
            Some(held) => self.free(id, held, netns).await,
            None => return Err(RuntimeError::NoSuchDyno(id)),
        }
        Ok(())
    }

    /// For a dyno of which is not known whether it was started: sees to it
    /// that it is gone, now or when a keeper can be asked.
    pub(crate) async fn doubt(self: &Arc<Self>, id: DynoId, held: Held) {
        self.doubtful().insert(id, held);
        self.settle().await;
    }

    /// Ends what is in doubt. To be called with each new connection.
    pub(crate) async fn settle(self: &Arc<Self>) {
        let all: Vec<DynoId> = self.doubtful().keys().copied().collect();
        for id in all {
            if let Err(error) = Arc::clone(self).forget(id).await {
                tracing::warn!(dyno.id = %id, %error, "A dyno in doubt could not be ended; the next keeper is asked");
            }
        }
    }

    /// Gives back what a dyno held; all its processes are gone.
    pub(crate) async fn free(self: &Arc<Self>, id: DynoId, held: Held, netns: Option<OwnedFd>) {
        self.images.release(&held.images);
        let this = Arc::clone(self);
        if let Err(panicked) = spawn_blocking(move || this.remove_files(id)).await {
            tracing::error!("Could not remove the files of dyno {id}: {panicked}");
        }
        self.pool.put_back(held.slot, held.address, netns);
    }

    pub(crate) fn remove_files(&self, id: DynoId) {
        if let Err(error) = self.cgroups.remove(id) {
            tracing::warn!("Could not remove the cgroup of dyno {id}: {error}");
        }
        if let Err(error) = remove_tree(&self.paths.dyno(id)) {
            tracing::warn!("Could not remove the directory of dyno {id}: {error}");
        }
    }
}

/// With its cause, on one line.
pub(crate) fn told(error: &OrderError) -> String {
    match error {
        OrderError::NotSent(source) => format!("{error}: {source}"),
        OrderError::Lost => error.to_string(),
    }
}
