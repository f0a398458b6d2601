//! An app's dynos: what runs, restart, stop, and one-off runs.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::dyno::Dyno;
use domain::{App, DynoId, DynoName, DynoSize, ProcessType};
use runtime::{RuntimeError, Stdio, TerminalSize};
use tokio::sync::oneshot;

use crate::error::{PlatformError, Resource};
use crate::label::Kind;
use crate::one_off::{OneOff, RunningOneOff};
use crate::reconcile::{Order, STOP_GRACE, Selection};
use crate::rendezvous::{CLIENT_WAIT, without_status_mark};
use crate::{Caller, Platform};

pub struct Dynos<'a> {
    pub(crate) platform: &'a Arc<Platform>,
}

#[derive(Debug, Clone)]
pub struct RunRequest {
    pub command: String,
    /// Whether a client will come for its stdio.
    pub attach: bool,
    /// Pipes instead of a terminal.
    pub force_no_tty: bool,
    /// Of the client's: `TERM`, `COLUMNS`, `LINES`, and what `--env` gives.
    pub env: BTreeMap<String, String>,
    pub size: Option<DynoSize>,
    pub process_type: Option<ProcessType>,
}

pub struct RunStarted {
    pub dyno: Dyno,
    /// What the client has to bring to the rendezvous, if it attaches.
    pub attach_secret: Option<String>,
}

impl Dynos<'_> {
    /// All dynos of an app that run or are shown as crashed.
    pub async fn list(&self, app: &App) -> Result<Vec<Dyno>, PlatformError> {
        let mut dynos = self.platform.store.dynos().list(app.id).await?;
        dynos.sort_by(|a, b| (&a.name, a.created_at).cmp(&(&b.name, b.created_at)));
        Ok(dynos)
    }

    /// A dyno by its id or name; of two that bear the name, the newer.
    pub async fn find(&self, app: &App, name_or_id: &str) -> Result<Dyno, PlatformError> {
        let dynos = self.list(app).await?;
        let matches = |dyno: &&Dyno| dyno.id.to_string() == name_or_id || dyno.name.to_string() == name_or_id;
        dynos.iter().rfind(matches).cloned().ok_or(PlatformError::NotFound(Resource::Dyno))
    }

    /// New dynos take the place of the selected ones.
    pub async fn restart(&self, caller: &Caller, app: &App, selection: Selection) -> Result<(), PlatformError> {
        self.platform.announce(app.id, &format!("Restart by user {}", caller.account.email));
        self.order(app, Order::Restart, selection).await
    }

    /// Ends the selected dynos. Those of the formation come back: to end them
    /// for good is to scale.
    pub async fn stop(&self, caller: &Caller, app: &App, selection: Selection) -> Result<(), PlatformError> {
        self.platform.announce(app.id, &format!("Stop by user {}", caller.account.email));
        self.order(app, Order::Stop, selection).await
    }

    async fn order(&self, app: &App, order: Order, selection: Selection) -> Result<(), PlatformError> {
        let dynos = self.list(app).await?;
        match &selection {
            Selection::All => {}
            // A type may have no dynos now.
            Selection::Type(process_type) => {
                let formation = self.platform.store.formation().list(app.id).await?;
                let known = formation.iter().any(|row| row.process_type == *process_type);
                if !known && !dynos.iter().any(|dyno| selection.includes(dyno)) {
                    return Err(PlatformError::NotFound(Resource::Formation));
                }
            }
            Selection::Name(_) | Selection::Id(_) => {
                if !dynos.iter().any(|dyno| selection.includes(dyno)) {
                    return Err(PlatformError::NotFound(Resource::Dyno));
                }
            }
        }
        for dyno in dynos.iter().filter(|dyno| is_one_off(&dyno.name) && meant(&selection, dyno)) {
            match self.platform.runtime.stop(dyno.id, STOP_GRACE).await {
                Ok(()) | Err(RuntimeError::NoSuchDyno(_)) => {} // it ended by itself
                Err(error) => return Err(anyhow::Error::from(error).into()),
            }
        }
        self.platform.reconciler.order(app.id, order, selection).await;
        Ok(())
    }

    /// Starts a one-off dyno on the current release.
    pub async fn run(&self, caller: &Caller, app: &App, request: RunRequest) -> Result<RunStarted, PlatformError> {
        let (asked, wants_status) = without_status_mark(&request.command);
        if asked.trim().is_empty() {
            return Err(PlatformError::Invalid("A command to run is missing.".to_owned()));
        }
        let no_code = || {
            PlatformError::Conflict(
                "The app has no code yet: push some first, for example with `git push heroku main`.".to_owned(),
            )
        };
        let release = self.platform.store.releases().current(app.id).await?.ok_or_else(no_code)?;
        let launchable = self.platform.launchable(app, &release).await?.ok_or_else(no_code)?;
        let terminal = (!request.force_no_tty).then(|| terminal_size(&request.env));
        let (kind, stdio) = match request.attach {
            true => (Kind::Attached, Stdio::Attached { terminal }),
            false => (Kind::Detached, Stdio::Logged),
        };
        // `run -- worker` runs the command of that process type.
        let command = match asked.trim().parse::<ProcessType>() {
            Ok(named) => launchable.slug.process_types.get(&named).cloned().unwrap_or_else(|| asked.to_owned()),
            Err(_) => asked.to_owned(),
        };
        self.platform
            .announce(app.id, &format!("Starting process with command `{command}` by user {}", caller.account.email));
        let one_off = OneOff {
            process_type: request.process_type.unwrap_or_else(ProcessType::run),
            kind,
            command: &command,
            size: request.size.unwrap_or(DynoSize::DEFAULT),
            stdio,
            env: request.env,
            transcript: None,
        };
        let mut running = self.platform.start_one_off(&launchable, one_off).await?;
        let dyno = running.dyno.clone();
        let (tell_status, status) = oneshot::channel();
        let status = wants_status.then_some(status);
        let attach_secret = match running.attachment.take() {
            Some(attachment) => {
                let secret = self.platform.rendezvous.expect(attachment, terminal.is_some(), status);
                Some(secret.map_err(anyhow::Error::from)?)
            }
            None => None,
        };
        self.watch_over(running, attach_secret.clone(), tell_status);
        Ok(RunStarted { dyno, attach_secret })
    }

    /// Waits for the end of a run, and hangs up if its client never comes.
    fn watch_over(&self, running: RunningOneOff, attach_secret: Option<String>, tell_status: oneshot::Sender<i32>) {
        let platform = self.platform.clone();
        self.platform.background.spawn(async move {
            let name = running.dyno.name.clone();
            let (app, id) = (running.dyno.app, running.dyno.id);
            let finished = async {
                if let Some(exit) = platform.finish_one_off(running).await {
                    let _ = tell_status.send(exit.status.code()); // the client may be gone
                }
            };
            let Some(secret) = attach_secret else {
                finished.await;
                return;
            };
            let no_client = async {
                tokio::time::sleep(CLIENT_WAIT).await;
                if platform.rendezvous.forget(&secret) {
                    platform.log(app, &name.to_string(), "Error R13 (Attach error) -> Failed to attach to process");
                    if let Err(error) = platform.runtime.stop(id, STOP_GRACE).await {
                        tracing::warn!(%error, "Could not stop a run that no client came for");
                    }
                }
                std::future::pending::<()>().await;
            };
            tokio::select! {
                () = finished => {}
                () = no_client => {}
            }
        });
    }
}

/// Whether an order means this one-off: it was named, or its type is one that
/// only one-offs have (`run`). `ps:restart web` leaves `run --type web` alone.
fn meant(selection: &Selection, one_off: &Dyno) -> bool {
    match selection {
        Selection::All => false,
        Selection::Type(process_type) => !process_type.is_scalable() && selection.includes(one_off),
        Selection::Name(_) | Selection::Id(_) => selection.includes(one_off),
    }
}

/// Whether the name is of a dyno that the formation does not keep.
pub(crate) fn is_one_off(name: &DynoName) -> bool {
    !name.process_type.is_scalable() || name.number > domain::formation::MAX_QUANTITY
}

fn terminal_size(env: &BTreeMap<String, String>) -> TerminalSize {
    let number = |key: &str, default| {
        env.get(key).and_then(|text| text.parse().ok()).filter(|size| *size > 0).unwrap_or(default)
    };
    TerminalSize { columns: number("COLUMNS", 80), rows: number("LINES", 24) }
}

impl std::str::FromStr for Selection {
    type Err = PlatformError;

    /// `web.1`, a dyno's id, or a process type.
    fn from_str(text: &str) -> Result<Self, PlatformError> {
        if let Ok(name) = text.parse::<DynoName>() {
            return Ok(Self::Name(name));
        }
        if let Ok(id) = text.parse::<DynoId>() {
            return Ok(Self::Id(id));
        }
        text.parse::<ProcessType>().map(Self::Type).map_err(|_| PlatformError::NotFound(Resource::Dyno))
    }
}
