//! Log drains: where an app's log lines are to be sent.

use std::sync::Arc;

use domain::App;
use domain::app::Drain;
use store::AddDrainError;
use uuid::Uuid;

use crate::{Caller, Platform, PlatformError, Resource};

/// Drains of one app at most.
const MOST_PER_APP: usize = 25;
const LONGEST_URL: usize = 2000;

pub struct Drains<'a> {
    pub(crate) platform: &'a Arc<Platform>,
}

impl Drains<'_> {
    pub async fn list(&self, app: &App) -> Result<Vec<Drain>, PlatformError> {
        Ok(self.platform.store.drains().list(app.id).await?)
    }

    /// A drain by its id, URL or token.
    pub async fn find(&self, app: &App, identity: &str) -> Result<Drain, PlatformError> {
        let found = self.platform.store.drains().find(app.id, identity).await?;
        found.ok_or(PlatformError::NotFound(Resource::Drain))
    }

    pub async fn add(&self, _caller: &Caller, app: &App, url: &str) -> Result<Drain, PlatformError> {
        let url = url.trim();
        check_url(url)?;
        if self.list(app).await?.len() >= MOST_PER_APP {
            return Err(PlatformError::Invalid(format!(
                "{} has {MOST_PER_APP} drains, the most an app may have.",
                app.name
            )));
        }
        let token = format!("d.{}", Uuid::new_v4());
        match self.platform.store.drains().add(app.id, url, &token, self.platform.now()).await {
            Ok(drain) => Ok(drain),
            Err(AddDrainError::Taken) => Err(PlatformError::Invalid("Url has already been taken".to_owned())),
            Err(AddDrainError::Store(error)) => Err(error.into()),
        }
    }

    pub async fn remove(&self, _caller: &Caller, app: &App, identity: &str) -> Result<Drain, PlatformError> {
        let drain = self.find(app, identity).await?;
        match self.platform.store.drains().remove(drain.id).await? {
            true => Ok(drain),
            false => Err(PlatformError::NotFound(Resource::Drain)),
        }
    }
}

fn check_url(url: &str) -> Result<(), PlatformError> {
    let invalid = || {
        PlatformError::Invalid(
            "`url` is not a drain: use syslog://HOST:PORT, syslog+tls://HOST:PORT, https://HOST/PATH or http://HOST/PATH."
                .to_owned(),
        )
    };
    let (scheme, rest) = url.split_once("://").ok_or_else(invalid)?;
    let plain = url.len() <= LONGEST_URL && !url.chars().any(|char| char.is_whitespace() || char.is_control());
    if !plain || !["syslog", "syslog+tls", "http", "https"].contains(&scheme) {
        return Err(invalid());
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let (name, port) = match host.strip_prefix('[').and_then(|host| host.split_once(']')) {
        Some((address, rest)) => (address, rest.strip_prefix(':')),
        None => host.split_once(':').map_or((host, None), |(name, port)| (name, Some(port))),
    };
    if name.is_empty() || port.is_some_and(|port| port.parse::<u16>().is_err()) {
        return Err(invalid());
    }
    if scheme.starts_with("syslog") && port.is_none() {
        return Err(PlatformError::Invalid("`url` has no port: a syslog drain is HOST:PORT.".to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drains_are_syslog_or_http() {
        for good in [
            "syslog://logs.example.com:514",
            "syslog+tls://[::1]:6514",
            "https://user:pass@example.com/a?b=c",
            "http://10.0.0.1:8080",
        ] {
            assert!(check_url(good).is_ok(), "{good}");
        }
        for bad in ["", "example.com", "ftp://a", "https://", "syslog://a", "syslog://a:b", "https://a b", "https://:1"]
        {
            assert!(matches!(check_url(bad), Err(PlatformError::Invalid(_))), "{bad}");
        }
    }
}
