//! Custom domains: host names that an app answers to beside its own.

use std::sync::Arc;

use domain::app::Domain;
use domain::{App, Hostname};
use store::AddDomainError;

use crate::{Caller, Platform, PlatformError, Resource};

/// Custom domains of one app at most (Heroku's limit).
const MOST_PER_APP: usize = 1000;

pub struct Domains<'a> {
    pub(crate) platform: &'a Arc<Platform>,
}

impl Domains<'_> {
    /// The app's custom domains.
    pub async fn list(&self, app: &App) -> Result<Vec<Domain>, PlatformError> {
        Ok(self.platform.store.domains().list(app.id).await?)
    }

    /// One of them by its host name or id.
    pub async fn find(&self, app: &App, identity: &str) -> Result<Domain, PlatformError> {
        let identity = identity.parse::<Hostname>().map_or_else(|_| identity.to_owned(), |name| name.to_string());
        let found = self.platform.store.domains().find(app.id, &identity).await?;
        found.ok_or(PlatformError::NotFound(Resource::Domain))
    }

    pub async fn add(&self, _caller: &Caller, app: &App, hostname: Hostname) -> Result<Domain, PlatformError> {
        self.check_free(app, &hostname).await?;
        match self.platform.store.domains().add(app.id, hostname.clone(), self.platform.now()).await {
            Ok(domain) => {
                self.platform.wake(app.id);
                Ok(domain)
            }
            Err(AddDomainError::Taken) => Err(taken(&hostname)),
            Err(AddDomainError::Store(error)) => Err(error.into()),
        }
    }

    pub async fn remove(&self, _caller: &Caller, app: &App, identity: &str) -> Result<Domain, PlatformError> {
        let domain = self.find(app, identity).await?;
        if !self.platform.store.domains().remove(domain.id).await? {
            return Err(PlatformError::NotFound(Resource::Domain));
        }
        self.platform.wake(app.id);
        Ok(domain)
    }

    /// Refuses names that are the platform's own, and names that overlap with
    /// a domain of someone else (`*.example.com` and `www.example.com`).
    async fn check_free(&self, app: &App, hostname: &Hostname) -> Result<(), PlatformError> {
        let bases = self.platform.settings.base_domains();
        if let Some(base) = bases.iter().find(|base| is_at_or_below(hostname.as_str(), base)) {
            return Err(PlatformError::Invalid(format!(
                "{hostname} belongs to the platform: every name below {base} is that of an app."
            )));
        }
        if self.list(app).await?.len() >= MOST_PER_APP {
            return Err(PlatformError::Invalid(format!(
                "{} has {MOST_PER_APP} domains, the most an app may have.",
                app.name
            )));
        }
        for other in self.platform.store.domains().list_all().await? {
            if other.app == app.id || !overlap(&other.hostname, hostname) {
                continue;
            }
            let owner = self.platform.store.apps().by_id(other.app).await?.map(|app| app.owner);
            if other.hostname == *hostname || owner != Some(app.owner) {
                return Err(taken(hostname));
            }
        }
        Ok(())
    }
}

fn taken(hostname: &Hostname) -> PlatformError {
    PlatformError::Invalid(format!("Domain already added to this app or another: {hostname}"))
}

fn is_at_or_below(name: &str, base: &str) -> bool {
    let name = name.strip_prefix("*.").unwrap_or(name);
    name == base || name.strip_suffix(base).is_some_and(|rest| rest.ends_with('.'))
}

/// Whether some host name is meant by both. A wildcard stands for one label.
fn overlap(a: &Hostname, b: &Hostname) -> bool {
    let covers = |wide: &Hostname, name: &Hostname| {
        wide.wildcard_of().is_some_and(|parent| {
            name.as_str().split_once('.').is_some_and(|(label, rest)| label != "*" && rest == parent)
        })
    };
    a == b || covers(a, b) || covers(b, a)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_overlaps_with_names_one_label_below() {
        let overlaps = |a: &str, b: &str| overlap(&a.parse().unwrap(), &b.parse().unwrap());
        assert!(overlaps("a.example.com", "a.example.com"));
        assert!(overlaps("*.example.com", "a.example.com"));
        assert!(overlaps("a.example.com", "*.example.com"));
        assert!(!overlaps("*.example.com", "a.b.example.com"));
        assert!(!overlaps("*.example.com", "example.com"));
        assert!(!overlaps("*.example.com", "*.example.org"));
    }

    #[test]
    fn names_below_the_platforms_own_are_recognised() {
        assert!(is_at_or_below("web.apps.example.com", "apps.example.com"));
        assert!(is_at_or_below("*.localhost", "localhost"));
        assert!(!is_at_or_below("myapps.example.com", "apps.example.com"));
    }
}
