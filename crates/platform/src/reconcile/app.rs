//! One app as the reconciler sees it: what is wanted, what is there.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use domain::backoff::{CRASHES_FORGOTTEN_AFTER, crash_wait};
use domain::dyno::{Dyno, DynoEvent};
use domain::formation::Formation;
use domain::plan::{Action, Observed, Wanted, WantedProcess, plan};
use domain::release::Release;
use domain::{App, AppId, DynoId, DynoName, DynoSize, DynoState, Hostname, ProcessType};
use jiff::Timestamp;
use runtime::{Existing, Exit};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{Message, Order, Selection, dyno as task};
use crate::Platform;
use crate::dyno_events::ExitTo;
use crate::error::PlatformError;
use crate::label::Label;

/// What is known of what is wanted.
pub(super) enum Known {
    /// Not read yet: nothing is started, stopped or routed on a guess.
    Unread,
    /// The app's rows are gone.
    Gone,
    App(Box<Intent>),
}

/// What the store says of the app.
pub(super) struct Intent {
    pub(super) app: App,
    pub(super) domains: Vec<Hostname>,
    pub(super) formation: Vec<Formation>,
    /// The current release, if it has code.
    release: Option<Release>,
}

pub(super) struct AppState {
    id: AppId,
    known: Known,
    pub(super) dynos: BTreeMap<DynoId, Running>,
    crashes: BTreeMap<DynoName, Crashes>,
    /// To be ended once the route table that is without them is published.
    to_end: Vec<ToEnd>,
}

struct ToEnd {
    dyno: Dyno,
    /// It served: requests may be under way to it.
    drain: bool,
    ended: CancellationToken,
}

/// A dyno of the formation, alive or crashed and still shown.
pub(super) struct Running {
    pub(super) dyno: Dyno,
    port: u16,
    /// Where the router reaches it, once it has started.
    pub(super) address: Option<SocketAddr>,
    replace: bool,
    /// Cancelled when it has ended, for the tasks that wait on it.
    ended: CancellationToken,
}

struct Crashes {
    in_a_row: u32,
    not_before: Timestamp,
}

impl AppState {
    pub(super) fn new(id: AppId) -> Self {
        Self { id, known: Known::Unread, dynos: BTreeMap::new(), crashes: BTreeMap::new(), to_end: Vec::new() }
    }

    pub(super) fn has(&self, dyno: DynoId) -> bool {
        self.dynos.contains_key(&dyno)
    }

    /// The app's rows are gone and none of its dynos is left.
    pub(super) fn is_gone(&self) -> bool {
        matches!(self.known, Known::Gone) && self.dynos.is_empty()
    }

    /// Its rows have been read; until then its routes stay as they are.
    pub(super) fn is_read(&self) -> bool {
        !matches!(self.known, Known::Unread)
    }

    /// Reads the app's rows anew.
    pub(super) async fn refresh(&mut self, platform: &Arc<Platform>) -> Result<(), PlatformError> {
        let store = &platform.store;
        let Some(app) = store.apps().by_id(self.id).await? else {
            self.known = Known::Gone;
            return Ok(());
        };
        let domains = store.domains().list(self.id).await?.into_iter().map(|domain| domain.hostname).collect();
        let formation = store.formation().list(self.id).await?;
        let release = store.releases().current(self.id).await?.filter(|release| release.slug.is_some());
        self.known = Known::App(Box::new(Intent { app, domains, formation, release }));
        Ok(())
    }

    /// Takes over a dyno that an earlier server started.
    pub(super) async fn adopt(
        &mut self,
        platform: &Arc<Platform>,
        row: Dyno,
        existing: &Existing,
        tasks: &mut JoinSet<()>,
    ) {
        let Some(label) = Label::parse(&existing.label) else { return };
        let running = Running {
            port: label.port,
            address: Some(SocketAddr::new(existing.address, label.port)),
            replace: false,
            ended: CancellationToken::new(),
            dyno: row.clone(),
        };
        match row.state {
            DynoState::Starting => {
                tasks.spawn(task::wait_until_ready(platform.clone(), row.clone(), label.port, running.ended.clone()));
            }
            DynoState::Stopping => {
                tasks.spawn(task::stop(platform.clone(), self.id, row.clone(), false, running.ended.clone()));
            }
            DynoState::Up | DynoState::Crashed | DynoState::Down => {}
        }
        self.dynos.insert(row.id, running);
    }

    pub(super) async fn handle(&mut self, platform: &Arc<Platform>, message: Message, tasks: &mut JoinSet<()>) {
        match message {
            Message::Order { order, selection, .. } => self.order(platform, order, &selection).await,
            Message::Started { dyno, address } => {
                let Some(running) = self.dynos.get_mut(&dyno) else { return };
                running.address = Some(SocketAddr::new(address, running.port));
                // Stopped before it was there to be stopped.
                if running.dyno.state == DynoState::Stopping {
                    let (dyno, ended) = (running.dyno.clone(), running.ended.clone());
                    self.to_end.push(ToEnd { dyno, drain: false, ended });
                }
            }
            Message::Ready { dyno } => self.step(platform, dyno, DynoEvent::Ready).await,
            Message::NotStarted { dyno, reason } => self.not_started(platform, dyno, &reason, tasks).await,
            Message::BootTimeout { dyno, on_loopback_only } => {
                self.boot_timeout(platform, dyno, on_loopback_only, tasks)
            }
            Message::Exited { dyno, exit } => self.exited(platform, dyno, exit, tasks).await,
        }
    }

    /// Plans and acts; returns the dynos that were started.
    pub(super) async fn converge(&mut self, platform: &Arc<Platform>, tasks: &mut JoinSet<()>) -> Vec<DynoId> {
        let mut started = Vec::new();
        for action in self.plan(platform.now()) {
            match action {
                Action::Start { name, size } => started.extend(self.start(platform, name, size, tasks).await),
                Action::Stop { id } => self.stop(platform, id).await,
                Action::Forget { id } => self.forget(platform, id).await,
            }
        }
        started
    }

    pub(super) fn intent(&self) -> Option<&Intent> {
        match &self.known {
            Known::App(intent) => Some(intent),
            Known::Unread | Known::Gone => None,
        }
    }

    fn plan(&self, now: Timestamp) -> Vec<Action> {
        if matches!(self.known, Known::Unread) {
            return Vec::new();
        }
        let wanted = self.intent().and_then(Intent::wanted);
        let observed: Vec<Observed> = self.dynos.values().map(Running::observed).collect();
        let not_before = self.crashes.iter().map(|(name, crashes)| (name.clone(), crashes.not_before)).collect();
        plan(wanted.as_ref(), &observed, &not_before, now)
    }

    async fn start(
        &mut self,
        platform: &Arc<Platform>,
        name: DynoName,
        size: DynoSize,
        tasks: &mut JoinSet<()>,
    ) -> Option<DynoId> {
        let intent = self.intent()?;
        let (app, release) = (intent.app.clone(), intent.release.clone()?);
        let command = intent.command(&name.process_type)?.to_owned();
        let now = platform.now();
        let id = DynoId(uuid::Uuid::new_v4());
        let dyno = Dyno {
            id,
            app: self.id,
            name,
            command,
            release: release.id,
            release_version: release.version,
            size,
            state: DynoState::Starting,
            created_at: now,
            updated_at: now,
        };
        if let Err(error) = platform.store.dynos().insert(&dyno).await {
            tracing::error!(dyno.name = %dyno.name, %error, "Could not write a dyno; trying again next round");
            return None;
        }
        let process = dyno.name.to_string();
        platform.watch.enter(id, self.id, process.clone(), None, ExitTo::Formation);
        platform.log(self.id, &process, &format!("Starting process with command `{}`", dyno.command));
        let (port, ended) = (port_of(id), CancellationToken::new());
        tasks.spawn(task::start(platform.clone(), (app, release), dyno.clone(), port, ended.clone()));
        self.dynos.insert(id, Running { dyno, port, address: None, replace: false, ended });
        Some(id)
    }

    async fn stop(&mut self, platform: &Arc<Platform>, id: DynoId) {
        let Some(running) = self.dynos.get(&id) else { return };
        let serves = running.dyno.name.process_type.is_web() && running.dyno.state == DynoState::Up;
        let (dyno, ended) = (running.dyno.clone(), running.ended.clone());
        self.step(platform, id, DynoEvent::StopAsked).await;
        self.to_end.push(ToEnd { dyno, drain: serves, ended });
    }

    /// Ends the dynos that were stopped; the router knows them no more.
    pub(super) fn end_stopped(&mut self, platform: &Arc<Platform>, tasks: &mut JoinSet<()>) {
        for ToEnd { dyno, drain, ended } in self.to_end.drain(..) {
            tasks.spawn(task::stop(platform.clone(), self.id, dyno, drain, ended));
        }
    }

    async fn forget(&mut self, platform: &Arc<Platform>, id: DynoId) {
        self.dynos.remove(&id);
        if let Err(error) = platform.store.dynos().remove(id).await {
            tracing::error!(dyno.id = %id, %error, "Could not remove a dyno's row");
        }
    }

    async fn order(&mut self, platform: &Arc<Platform>, order: Order, selection: &Selection) {
        let chosen: Vec<DynoId> = self
            .dynos
            .values()
            .filter(|running| selection.includes(&running.dyno))
            .map(|running| running.dyno.id)
            .collect();
        for id in chosen {
            let Some(running) = self.dynos.get_mut(&id) else { continue };
            // Whoever asks does not want to wait for a crashed dyno's turn.
            self.crashes.remove(&running.dyno.name);
            match (order, running.dyno.state.is_alive()) {
                (Order::Restart, true) => running.replace = true,
                (Order::Stop, true) => self.stop(platform, id).await,
                (_, false) => self.forget(platform, id).await,
            }
        }
    }

    /// One step of a dyno's lifecycle: written to the store, told in the log.
    async fn step(&mut self, platform: &Arc<Platform>, id: DynoId, event: DynoEvent) {
        let Some(running) = self.dynos.get_mut(&id) else { return };
        let before = running.dyno.state;
        let Ok(after) = before.after(event, false) else { return };
        if before == after {
            return;
        }
        running.dyno.state = after;
        running.dyno.updated_at = platform.now();
        if after != DynoState::Stopping {
            let shown = if before == DynoState::Stopping { DynoState::Up } else { before };
            let text = format!("State changed from {} to {}", shown.name(), after.name());
            platform.log(self.id, &running.dyno.name.to_string(), &text);
        }
        if let Err(error) = platform.store.dynos().set_state(id, after, running.dyno.updated_at).await {
            tracing::error!(dyno.id = %id, %error, "Could not write a dyno's state");
        }
    }

    async fn not_started(&mut self, platform: &Arc<Platform>, id: DynoId, reason: &str, tasks: &mut JoinSet<()>) {
        let Some(running) = self.dynos.get(&id) else { return };
        let name = running.dyno.name.clone();
        tracing::error!(dyno.name = %name, app.id = %self.id, reason, "Could not start a dyno");
        platform.log(self.id, &name.to_string(), "The platform could not start this dyno and will try again");
        platform.watch.leave(id);
        running.ended.cancel();
        self.step(platform, id, DynoEvent::Exited).await;
        self.after_crash(platform, &name, tasks);
    }

    fn boot_timeout(&mut self, platform: &Arc<Platform>, id: DynoId, on_loopback_only: bool, tasks: &mut JoinSet<()>) {
        let Some(running) = self.dynos.get(&id).filter(|running| running.dyno.state == DynoState::Starting) else {
            return;
        };
        let process = running.dyno.name.to_string();
        platform.log(
            self.id,
            &process,
            "Error R10 (Boot timeout) -> Web process failed to bind to $PORT within 60 seconds of launch",
        );
        if on_loopback_only {
            platform.log(
                self.id,
                &process,
                "The process listens on 127.0.0.1 only, where the router can't reach it: bind to 0.0.0.0",
            );
        }
        platform.log(self.id, &process, "Stopping process with SIGKILL");
        let platform = platform.clone();
        tasks.spawn(async move {
            if let Err(error) = platform.runtime.stop(id, std::time::Duration::ZERO).await {
                tracing::warn!(dyno.id = %id, %error, "Could not end a dyno that did not boot");
            }
        });
    }

    async fn exited(&mut self, platform: &Arc<Platform>, id: DynoId, exit: Exit, tasks: &mut JoinSet<()>) {
        let Some(running) = self.dynos.get(&id) else { return };
        running.ended.cancel();
        let name = running.dyno.name.clone();
        let process = name.to_string();
        let lived = platform.now().duration_since(running.dyno.created_at);
        if exit.out_of_memory {
            platform.log(self.id, &process, "Error R15 (Memory quota vastly exceeded)");
        }
        platform.log(self.id, &process, &format!("Process exited with status {}", exit.status.code()));
        self.step(platform, id, DynoEvent::Exited).await;
        if self.dynos.get(&id).is_some_and(|running| running.dyno.state == DynoState::Crashed) {
            if lived.unsigned_abs() > CRASHES_FORGOTTEN_AFTER {
                self.crashes.remove(&name);
            }
            self.after_crash(platform, &name, tasks);
        } else {
            self.forget(platform, id).await;
        }
        let platform = platform.clone();
        tasks.spawn(async move {
            if let Err(error) = platform.runtime.remove(id).await {
                tracing::warn!(dyno.id = %id, %error, "Could not free what an ended dyno held");
            }
        });
    }

    /// Counts a crash and looks again when its wait is over.
    fn after_crash(&mut self, platform: &Arc<Platform>, name: &DynoName, tasks: &mut JoinSet<()>) {
        let now = platform.now();
        let crashes = self.crashes.entry(name.clone()).or_insert(Crashes { in_a_row: 0, not_before: now });
        crashes.in_a_row += 1;
        let wait = crash_wait(crashes.in_a_row);
        crashes.not_before = now + wait;
        let (reconciler, app) = (platform.reconciler.clone(), self.id);
        tasks.spawn(async move {
            tokio::time::sleep(wait).await;
            reconciler.wake(app);
        });
    }
}

impl Intent {
    fn wanted(&self) -> Option<Wanted> {
        let release = self.release.as_ref()?;
        let processes = self.formation.iter().map(|row| WantedProcess {
            process_type: row.process_type.clone(),
            quantity: row.quantity,
            size: row.size,
        });
        Some(Wanted { release_version: release.version, processes: processes.collect() })
    }

    fn command(&self, process_type: &ProcessType) -> Option<&str> {
        self.formation.iter().find(|row| row.process_type == *process_type).map(|row| row.command.as_str())
    }

    pub(super) fn has_code(&self) -> bool {
        self.release.is_some()
    }
}

impl Running {
    fn observed(&self) -> Observed {
        Observed {
            id: self.dyno.id,
            name: self.dyno.name.clone(),
            release_version: self.dyno.release_version,
            size: self.dyno.size,
            state: self.dyno.state,
            replace: self.replace,
        }
    }
}

impl Selection {
    pub(crate) fn includes(&self, dyno: &Dyno) -> bool {
        match self {
            Self::All => true,
            Self::Type(process_type) => dyno.name.process_type == *process_type,
            Self::Name(name) => dyno.name == *name,
            Self::Id(id) => dyno.id == *id,
        }
    }
}

/// The port that a dyno is told: not the same for all, so that an app with a
/// port of its own choice is found out on the first day.
pub(crate) fn port_of(id: DynoId) -> u16 {
    10_000 + u16::try_from(id.0.as_u128() % 50_000).unwrap_or_default()
}
