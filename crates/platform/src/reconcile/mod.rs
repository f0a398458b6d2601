//! Keeps reality equal to intent: the dynos that run, and the route table, are
//! made to follow the store's formation and releases.
//!
//! One task owns all state and takes messages; what takes time (starting a
//! dyno, waiting until it listens, letting it finish) runs beside it and
//! reports back. A wake-up can be lost with a crash, never its cause: at start
//! every app is looked at, and a timer looks again now and then.

mod app;
mod dyno;
mod routes;

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::{AppId, DynoId, DynoName, ProcessType};
use runtime::{Existing, Exit};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::Platform;
use app::AppState;
pub(crate) use app::port_of;
pub(crate) use dyno::{STOP_GRACE, error_chain};
pub use routes::RouteSender;
use routes::Routes;

/// How often every app is looked at, in case a wake-up was lost.
const ROUND: Duration = Duration::from_secs(30);

/// Which dynos of an app are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    All,
    Type(ProcessType),
    /// By name; of two that bear it, both.
    Name(DynoName),
    Id(DynoId),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Restart,
    Stop,
}

pub(crate) enum Message {
    Order { app: AppId, order: Order, selection: Selection },
    Started { dyno: DynoId, address: IpAddr },
    NotStarted { dyno: DynoId, reason: String },
    Ready { dyno: DynoId },
    BootTimeout { dyno: DynoId, on_loopback_only: bool },
    Exited { dyno: DynoId, exit: Exit },
}

/// The way to the reconciler's task; cheap to clone.
#[derive(Clone)]
pub(crate) struct Reconciler {
    messages: mpsc::Sender<Message>,
    dirty: Arc<Dirty>,
}

/// Apps to be looked at. A set, so waking never waits and never grows without bound.
#[derive(Default)]
struct Dirty {
    apps: Mutex<HashSet<AppId>>,
    changed: Notify,
}

impl Dirty {
    fn add(&self, app: AppId) {
        self.apps.lock().unwrap_or_else(PoisonError::into_inner).insert(app);
        self.changed.notify_one();
    }

    fn take(&self) -> HashSet<AppId> {
        std::mem::take(&mut *self.apps.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

pub(crate) struct Inbox {
    messages: mpsc::Receiver<Message>,
    dirty: Arc<Dirty>,
}

impl Reconciler {
    pub(crate) fn new() -> (Self, Inbox) {
        let (sender, messages) = mpsc::channel(1024);
        let dirty = Arc::<Dirty>::default();
        (Self { messages: sender, dirty: dirty.clone() }, Inbox { messages, dirty })
    }

    /// Looks at an app soon: its release, formation, domains or existence changed.
    pub(crate) fn wake(&self, app: AppId) {
        self.dirty.add(app);
    }

    pub(crate) async fn order(&self, app: AppId, order: Order, selection: Selection) {
        self.send(Message::Order { app, order, selection }).await;
    }

    pub(crate) async fn exited(&self, dyno: DynoId, exit: Exit) {
        self.send(Message::Exited { dyno, exit }).await;
    }

    async fn not_started(&self, dyno: DynoId, reason: String) {
        self.send(Message::NotStarted { dyno, reason }).await;
    }

    async fn send(&self, message: Message) {
        // The task is gone only when the server stops; its successor looks at everything anew.
        let _ = self.messages.send(message).await;
    }
}

/// The state that the task owns.
pub(crate) struct Worker {
    platform: Arc<Platform>,
    apps: HashMap<AppId, AppState>,
    /// Which app a dyno belongs to.
    homes: HashMap<DynoId, AppId>,
    routes: Routes,
    tasks: JoinSet<()>,
}

impl Worker {
    pub(crate) fn new(platform: Arc<Platform>, routes: RouteSender) -> Self {
        let base_domains = platform.settings.base_domains();
        Self {
            platform,
            apps: HashMap::new(),
            homes: HashMap::new(),
            routes: Routes::new(routes, base_domains),
            tasks: JoinSet::new(),
        }
    }

    /// Takes over formation dynos that an earlier server started; then runs
    /// until told to stop. Dynos live on.
    pub(crate) async fn run(
        mut self,
        found: Vec<(domain::dyno::Dyno, Existing)>,
        mut inbox: Inbox,
        stop: CancellationToken,
    ) {
        self.adopt(found).await;
        self.wake_all().await;
        let mut round = tokio::time::interval(ROUND);
        round.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        round.reset();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                () = inbox.dirty.changed.notified() => {
                    for app in inbox.dirty.take() {
                        self.look_at(app).await;
                    }
                }
                Some(message) = inbox.messages.recv() => self.handle(message).await,
                _ = round.tick() => self.wake_all().await,
                Some(ended) = self.tasks.join_next() => {
                    if let Err(error) = ended {
                        tracing::error!(%error, "A task of the formation reconciler ended badly");
                    }
                }
            }
            self.routes.publish();
        }
    }

    async fn wake_all(&mut self) {
        match self.platform.store.apps().list_all().await {
            Ok(apps) => {
                let known: Vec<AppId> = self.apps.keys().copied().collect();
                for id in apps.iter().map(|app| app.id).chain(known).collect::<HashSet<_>>() {
                    self.look_at(id).await;
                }
                self.routes.completed();
            }
            Err(error) => tracing::error!(%error, "Could not list the apps; trying again next round"),
        }
        self.routes.publish();
    }

    async fn adopt(&mut self, found: Vec<(domain::dyno::Dyno, Existing)>) {
        for (row, existing) in found {
            self.homes.insert(row.id, row.app);
            let state = self.apps.entry(row.app).or_insert_with(|| AppState::new(row.app));
            state.adopt(&self.platform, row, &existing, &mut self.tasks).await;
        }
    }

    /// Reads what is wanted of an app and does what is missing.
    async fn look_at(&mut self, id: AppId) {
        let state = self.apps.entry(id).or_insert_with(|| AppState::new(id));
        if let Err(error) = state.refresh(&self.platform).await {
            tracing::error!(app.id = %id, %error, "Could not read what is wanted of an app; trying again next round");
            return;
        }
        self.converge(id).await;
    }

    async fn handle(&mut self, message: Message) {
        let app = match &message {
            Message::Order { app, .. } => Some(*app),
            Message::Started { dyno, .. }
            | Message::NotStarted { dyno, .. }
            | Message::Ready { dyno }
            | Message::BootTimeout { dyno, .. }
            | Message::Exited { dyno, .. } => self.homes.get(dyno).copied(),
        };
        let Some(id) = app else { return };
        if let Some(state) = self.apps.get_mut(&id) {
            state.handle(&self.platform, message, &mut self.tasks).await;
            self.converge(id).await;
        }
    }

    /// Plans, acts, and lets the routes follow.
    async fn converge(&mut self, id: AppId) {
        let Some(state) = self.apps.get_mut(&id) else { return };
        for started in state.converge(&self.platform, &mut self.tasks).await {
            self.homes.insert(started, id);
        }
        self.homes.retain(|dyno, home| *home != id || state.has(*dyno));
        if state.is_gone() {
            self.apps.remove(&id);
            self.routes.remove(id);
            let platform = self.platform.clone();
            self.tasks.spawn(async move { platform.app_is_gone(id).await });
            return;
        }
        if !state.is_read() {
            return;
        }
        // Routes before anything is stopped: a dyno is asked to end only after
        // the router has let go of it.
        self.routes.set(id, state.route());
        self.routes.publish();
        state.end_stopped(&self.platform, &mut self.tasks);
    }
}
