//! What a start does first: brings to an end what a crash left unfinished, and
//! finds out which dynos still run.

use std::collections::HashMap;
use std::sync::Arc;

use domain::DynoId;
use domain::build::BuildEvent;
use domain::dyno::Dyno;
use domain::release::ReleaseEvent;
use runtime::Existing;
use workflow::{Journal, Outcome};

use crate::Platform;
use crate::deploy;
use crate::dyno_events::ExitTo;
use crate::error::PlatformError;
use crate::label::{Kind, Label};

/// Formation dynos that an earlier server started and that are still there.
pub(crate) type Found = Vec<(Dyno, Existing)>;

impl Platform {
    pub(crate) async fn recover(self: &Arc<Self>) -> Result<Found, PlatformError> {
        self.builder.recover().await.map_err(anyhow::Error::from)?;
        self.recover_deploys().await?;
        self.end_what_no_one_runs().await?;
        self.sweep_files().await?;
        self.sweep_partial_sources().map_err(anyhow::Error::from)?;
        self.recover_dynos().await
    }

    /// Removes the files of apps that were destroyed while no one was there to
    /// remove them.
    async fn sweep_files(self: &Arc<Self>) -> Result<(), PlatformError> {
        for app in self.apps_gone().await? {
            self.remove_files_of(app).await;
        }
        Ok(())
    }

    async fn recover_deploys(self: &Arc<Self>) -> Result<(), PlatformError> {
        let steps = deploy::workflow(self, None);
        for record in self.store.unfinished().await.map_err(anyhow::Error::from)? {
            if record.kind != deploy::KIND {
                tracing::error!(workflow.id = %record.id, "The journal holds a `{}`, which this version does not know", record.kind);
                continue;
            }
            // Its build and release rows are ended below in any case.
            if let Err(error) = steps.recover(&self.store, &record).await {
                let error = crate::reconcile::error_chain(&error);
                tracing::error!(workflow.id = %record.id, error, "An interrupted deploy could not be undone");
                self.store.ended(record.id, Outcome::Undone).await.map_err(anyhow::Error::from)?;
            }
        }
        Ok(())
    }

    /// Builds and releases that are pending have no one who works on them:
    /// those of the journal have been brought to their end already.
    async fn end_what_no_one_runs(&self) -> Result<(), PlatformError> {
        for build in self.store.builds().pending().await? {
            let ended = self.store.builds().finish(build.id, BuildEvent::Interrupted, None, None, self.now()).await;
            ended.map_err(anyhow::Error::from)?;
        }
        for release in self.store.releases().pending().await? {
            let ended = self.store.releases().finish(release.id, ReleaseEvent::Interrupted, self.now()).await;
            ended.map_err(anyhow::Error::from)?;
        }
        Ok(())
    }

    /// Matches the dynos of the runtime with the store's rows. Formation dynos
    /// and detached runs go on; anything else is ended.
    async fn recover_dynos(self: &Arc<Self>) -> Result<Found, PlatformError> {
        let existing = self.runtime.list().await.map_err(anyhow::Error::from)?;
        let rows = self.store.dynos().list_all().await?;
        let mut existing: HashMap<DynoId, Existing> = existing.into_iter().map(|dyno| (dyno.id, dyno)).collect();
        let mut found = Vec::new();
        for row in rows {
            let adopted =
                existing.remove(&row.id).and_then(|dyno| Label::parse(&dyno.label).map(|label| (dyno, label)));
            match adopted {
                Some((dyno, _)) if !row.state.is_alive() => {
                    self.forget_dyno(dyno.id).await?;
                    self.store.dynos().remove(row.id).await?;
                }
                Some((dyno, label)) if label.kind == Kind::Formation => {
                    self.watch.enter(row.id, row.app, row.name.to_string(), None, ExitTo::Formation);
                    found.push((row, dyno));
                }
                Some((_, label)) if label.kind == Kind::Detached => self.adopt_detached(row),
                Some((dyno, _)) => {
                    self.forget_dyno(dyno.id).await?;
                    self.store.dynos().remove(row.id).await?;
                }
                None => {
                    self.store.dynos().remove(row.id).await?;
                }
            }
        }
        for orphan in existing.into_keys() {
            self.forget_dyno(orphan).await?;
        }
        Ok(found)
    }

    fn adopt_detached(self: &Arc<Self>, row: Dyno) {
        let (exit_to, exit) = tokio::sync::oneshot::channel();
        self.watch.enter(row.id, row.app, row.name.to_string(), None, ExitTo::OneOff(exit_to));
        let platform = self.clone();
        self.background.spawn(async move { platform.end_one_off(&row, exit.await.ok()).await });
    }

    async fn forget_dyno(&self, dyno: DynoId) -> Result<(), PlatformError> {
        Ok(self.runtime.remove(dyno).await.map_err(anyhow::Error::from)?)
    }
}
