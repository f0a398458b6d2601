//! The route table follows what the reconciler knows.

use std::collections::HashMap;
use std::sync::Arc;

use domain::{AppId, DynoState};
use router::{AppRoute, Backend, RouteTable};
use tokio::sync::watch;

use super::app::{AppState, Intent};

/// Where the router reads its table.
pub type RouteSender = watch::Sender<Arc<RouteTable>>;

pub(super) struct Routes {
    sender: RouteSender,
    base_domains: Vec<String>,
    apps: HashMap<AppId, AppRoute>,
    changed: bool,
    /// All apps have been read: a table before that would call apps unknown.
    complete: bool,
}

impl Routes {
    pub(super) fn new(sender: RouteSender, base_domains: Vec<String>) -> Self {
        Self { sender, base_domains, apps: HashMap::new(), changed: true, complete: false }
    }

    pub(super) fn set(&mut self, app: AppId, route: Option<AppRoute>) {
        let Some(route) = route else { return self.remove(app) };
        let same = |old: &AppRoute| old.name == route.name && old.domains == route.domains && old.state == route.state;
        if !self.apps.get(&app).is_some_and(same) {
            self.apps.insert(app, route);
            self.changed = true;
        }
    }

    pub(super) fn remove(&mut self, app: AppId) {
        self.changed |= self.apps.remove(&app).is_some();
    }

    /// To be called once every app has been looked at. The first table is
    /// published in any case, so that the server knows that its routes are there.
    pub(super) fn completed(&mut self) {
        self.complete = true;
    }

    /// Hands the table to the router, if it is complete and another than before.
    pub(super) fn publish(&mut self) {
        if self.complete && std::mem::take(&mut self.changed) {
            let table = RouteTable::new(&self.base_domains, self.apps.values().cloned());
            self.sender.send_replace(Arc::new(table));
        }
    }
}

impl AppState {
    /// What the router should do for this app now; `None` once the app is gone.
    pub(super) fn route(&self) -> Option<AppRoute> {
        let intent = self.intent()?;
        Some(AppRoute {
            app: intent.app.id,
            name: intent.app.name.clone(),
            domains: intent.domains.clone(),
            state: self.route_state(intent),
        })
    }

    fn route_state(&self, intent: &Intent) -> router::AppState {
        let web = intent.formation.iter().find(|row| row.process_type.is_web());
        let backends = self.backends();
        if intent.app.maintenance {
            router::AppState::Maintenance
        } else if !intent.has_code() {
            router::AppState::Blank
        } else if web.is_none_or(|web| web.quantity == 0) {
            router::AppState::NoWebDynos
        } else if !backends.is_empty() {
            router::AppState::Serving(backends)
        } else if self.crashed() {
            router::AppState::Crashed
        } else {
            router::AppState::Starting
        }
    }

    fn backends(&self) -> Vec<Backend> {
        let up = self
            .dynos
            .values()
            .filter(|running| running.dyno.name.process_type.is_web() && running.dyno.state == DynoState::Up);
        up.filter_map(|running| {
            let (dyno, name) = (running.dyno.id, running.dyno.name.clone());
            running.address.map(|address| Backend { dyno, name, address })
        })
        .collect()
    }

    /// Web dynos have crashed and none is on its way up.
    fn crashed(&self) -> bool {
        let mut web = self.dynos.values().filter(|running| running.dyno.name.process_type.is_web()).peekable();
        web.peek().is_some()
            && web.all(|running| matches!(running.dyno.state, DynoState::Crashed | DynoState::Stopping))
    }
}
