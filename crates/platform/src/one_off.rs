//! One-off dynos: `heroku run`, `run:detached` and release commands. Each runs
//! once, to its end.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::anyhow;
use domain::dyno::Dyno;
use domain::{DynoId, DynoName, DynoSize, DynoState, ProcessType};
use runtime::{Attachment, Exit, Stdio};
use tokio::sync::oneshot;

use crate::Platform;
use crate::dyno_events::ExitTo;
use crate::error::PlatformError;
use crate::label::Kind;
use crate::launch::{Launch, Launchable};
use crate::reconcile::port_of;
use crate::transcript::Transcript;

pub(crate) struct OneOff<'a> {
    pub(crate) process_type: ProcessType,
    pub(crate) kind: Kind,
    pub(crate) command: &'a str,
    pub(crate) size: DynoSize,
    pub(crate) stdio: Stdio,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) transcript: Option<Arc<Transcript>>,
}

/// A one-off dyno that runs.
pub(crate) struct RunningOneOff {
    pub(crate) dyno: Dyno,
    pub(crate) attachment: Option<Attachment>,
    exit: oneshot::Receiver<Exit>,
}

impl Platform {
    /// Starts a one-off dyno of a release.
    pub(crate) async fn start_one_off(
        self: &Arc<Self>,
        launchable: &Launchable,
        one_off: OneOff<'_>,
    ) -> Result<RunningOneOff, PlatformError> {
        let id = DynoId(uuid::Uuid::new_v4());
        let app = launchable.app.id;
        let now = self.now();
        let dyno = Dyno {
            id,
            app,
            name: DynoName { process_type: one_off.process_type.clone(), number: number_of(id) },
            command: one_off.command.to_owned(),
            release: launchable.release.id,
            release_version: launchable.release.version,
            size: one_off.size,
            state: DynoState::Starting,
            created_at: now,
            updated_at: now,
        };
        self.store.dynos().insert(&dyno).await?;
        let process = dyno.name.to_string();
        let (exit_to, exit) = oneshot::channel();
        self.watch.enter(id, app, process.clone(), one_off.transcript, ExitTo::OneOff(exit_to));
        self.log(app, &process, &format!("Starting process with command `{}`", one_off.command));
        let spec = launchable.spec(&Launch {
            id,
            name: &dyno.name,
            kind: one_off.kind,
            command: one_off.command,
            size: one_off.size,
            port: port_of(id),
            stdio: one_off.stdio,
            extra_env: &one_off.env,
        });
        match self.runtime.start(spec).await {
            Ok(started) => {
                self.log(app, &process, "State changed from starting to up");
                if let Err(error) = self.store.dynos().set_state(id, DynoState::Up, self.now()).await {
                    tracing::error!(dyno.id = %id, %error, "Could not write a dyno's state");
                }
                let dyno = Dyno { state: DynoState::Up, ..dyno };
                Ok(RunningOneOff { dyno, attachment: started.attachment, exit })
            }
            Err(error) => {
                self.watch.leave(id);
                self.store.dynos().remove(id).await?;
                Err(anyhow!(error).context(format!("could not start {process}")).into())
            }
        }
    }

    /// Waits for its end and frees what it held.
    pub(crate) async fn finish_one_off(self: &Arc<Self>, running: RunningOneOff) -> Option<Exit> {
        let exit = running.exit.await.ok();
        self.end_one_off(&running.dyno, exit).await;
        exit
    }

    /// Tells of the end of a one-off dyno and forgets it.
    pub(crate) async fn end_one_off(self: &Arc<Self>, dyno: &Dyno, exit: Option<Exit>) {
        let process = dyno.name.to_string();
        if let Some(exit) = exit {
            if exit.out_of_memory {
                self.log(dyno.app, &process, "Error R15 (Memory quota vastly exceeded)");
            }
            self.log(dyno.app, &process, &format!("Process exited with status {}", exit.status.code()));
            self.log(dyno.app, &process, "State changed from up to complete");
        }
        if let Err(error) = self.runtime.remove(dyno.id).await {
            tracing::warn!(dyno.id = %dyno.id, %error, "Could not free what a one-off dyno held");
        }
        if let Err(error) = self.store.dynos().remove(dyno.id).await {
            tracing::error!(dyno.id = %dyno.id, %error, "Could not remove a dyno's row");
        }
    }
}

/// Four digits, as Heroku's `run.4859`.
fn number_of(id: DynoId) -> u32 {
    1000 + u32::try_from((id.0.as_u128() >> 64) % 9000).unwrap_or_default()
}
