//! Which host belongs to which app, and what can be asked of that app now.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;

use domain::{AppId, AppName, DynoId, DynoName, Hostname};

/// All routes at one moment: plain data, replaced as a whole.
#[derive(Debug, Clone, Default)]
pub struct RouteTable {
    apps: HashMap<AppId, Arc<AppRoute>>,
    /// Lower case, without port or trailing dot.
    hosts: HashMap<String, Arc<AppRoute>>,
    /// Without the leading `*.`.
    wildcards: HashMap<String, Arc<AppRoute>>,
}

#[derive(Debug, Clone)]
pub struct AppRoute {
    pub app: AppId,
    pub name: AppName,
    /// Custom domains, also those with `*.` in front.
    pub domains: Vec<Hostname>,
    pub state: AppState,
}

/// What the app has to answer with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AppState {
    /// Maintenance mode is on (H80).
    Maintenance,
    /// No release with code yet (H81).
    Blank,
    /// Scaled to no web dynos, or without a web process type (H14).
    NoWebDynos,
    /// All web dynos have crashed (H10).
    Crashed,
    /// No web dyno answers yet: requests wait.
    Starting,
    /// These answer. An empty list counts as [`AppState::Starting`].
    Serving(Vec<Backend>),
}

/// A web dyno that listens. Its name may be borne by two for a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backend {
    pub dyno: DynoId,
    pub name: DynoName,
    pub address: SocketAddr,
}

impl RouteTable {
    /// Every app answers to `<name>.<base>` for each of `base_domains` (such
    /// as `localhost`) and to its own domains. A base domain's name is the
    /// app's, whoever else has it as a custom domain.
    pub fn new(base_domains: &[String], apps: impl IntoIterator<Item = AppRoute>) -> Self {
        let mut table = Self::default();
        for route in apps {
            let route = Arc::new(route);
            table.apps.insert(route.app, route.clone());
            for hostname in &route.domains {
                match hostname.wildcard_of() {
                    Some(parent) => table.wildcards.insert(parent.to_owned(), route.clone()),
                    None => table.hosts.insert(hostname.as_str().to_owned(), route.clone()),
                };
            }
        }
        for route in table.apps.values() {
            for base in base_domains {
                table.hosts.insert(format!("{}.{base}", route.name), route.clone());
            }
        }
        table
    }

    /// The route of a host name in lower case; an exact name goes before a
    /// wildcard, which stands for one label.
    pub fn find(&self, host: &str) -> Option<&Arc<AppRoute>> {
        self.hosts.get(host).or_else(|| {
            let (_, parent) = host.split_once('.')?;
            self.wildcards.get(parent)
        })
    }

    pub fn app(&self, app: AppId) -> Option<&Arc<AppRoute>> {
        self.apps.get(&app)
    }

    pub(crate) fn addresses(&self) -> HashSet<SocketAddr> {
        self.apps
            .values()
            .filter_map(|route| match &route.state {
                AppState::Serving(backends) => Some(backends),
                _ => None,
            })
            .flatten()
            .map(|backend| backend.address)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(number: u128, name: &str, domains: &[&str]) -> AppRoute {
        AppRoute {
            app: AppId(uuid::Uuid::from_u128(number)),
            name: name.parse().unwrap(),
            domains: domains.iter().map(|domain| domain.parse().unwrap()).collect(),
            state: AppState::Blank,
        }
    }

    #[test]
    fn exact_names_go_before_wildcards_and_the_app_s_own_name_before_all() {
        let table = RouteTable::new(
            &["localhost".to_owned(), "apps.example.org".to_owned()],
            [route(1, "one", &["*.example.com", "two.apps.example.org"]), route(2, "two", &["www.example.com"])],
        );
        let found = |host: &str| table.find(host).map(|route| route.name.to_string());
        assert_eq!(found("one.localhost").as_deref(), Some("one"));
        assert_eq!(found("a.example.com").as_deref(), Some("one"));
        assert_eq!(found("www.example.com").as_deref(), Some("two"));
        assert_eq!(found("two.apps.example.org").as_deref(), Some("two"));
        for none in ["example.com", "a.b.example.com", "three.localhost", "localhost", ""] {
            assert_eq!(found(none), None, "{none}");
        }
    }
}
