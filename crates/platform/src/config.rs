//! Config vars. Every change is a new release.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::release::Release;
use domain::{App, ConfigKey, ConfigVars};
use store::ChangeConfigError;

use crate::error::PlatformError;
use crate::{Caller, Platform};

pub struct Config<'a> {
    pub(crate) platform: &'a Arc<Platform>,
}

impl Config<'_> {
    /// The vars as the next release will have them.
    pub async fn vars(&self, app: &App) -> Result<ConfigVars, PlatformError> {
        Ok(self.platform.store.releases().current_config(app.id).await?)
    }

    pub async fn of_release(&self, release: &Release) -> Result<ConfigVars, PlatformError> {
        Ok(self.platform.store.releases().config(release.id).await?)
    }

    /// Sets and removes vars, all or none; returns all of them after it. A
    /// change that changes nothing makes no release.
    pub async fn change(
        &self,
        caller: &Caller,
        app: &App,
        changes: BTreeMap<ConfigKey, Option<String>>,
    ) -> Result<ConfigVars, PlatformError> {
        let before = self.vars(app).await?;
        let changed = |(key, value): &(&ConfigKey, &Option<String>)| before.get(key.as_str()) != value.as_deref();
        if !changes.iter().any(|change| changed(&change)) {
            return Ok(before);
        }
        let description = description(&changes);
        let (release, vars) = self
            .platform
            .store
            .releases()
            .with_config_change(app.id, &changes, caller.account.id, &description, self.platform.now())
            .await
            .map_err(|error| match error {
                ChangeConfigError::Invalid(invalid) => PlatformError::Invalid(format!("{invalid}.")),
                other => PlatformError::Internal(other.into()),
            })?;
        self.platform.announce(app.id, &format!("{description} by user {}", caller.account.email));
        self.platform.released(app.id, &release, caller.account.email.as_str())?;
        Ok(vars)
    }
}

/// `Set A, B config vars` or `Remove A config vars`, as Heroku describes it.
fn description(changes: &BTreeMap<ConfigKey, Option<String>>) -> String {
    let names = |set: bool| {
        let names: Vec<&str> =
            changes.iter().filter(|(_, value)| value.is_some() == set).map(|(key, _)| key.as_str()).collect();
        names.join(", ")
    };
    match (names(true), names(false)) {
        (set, removed) if removed.is_empty() => format!("Set {set} config vars"),
        (set, removed) if set.is_empty() => format!("Remove {removed} config vars"),
        (set, removed) => format!("Set {set} and remove {removed} config vars"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_described_by_the_names_in_it() {
        let change = |vars: &[(&str, Option<&str>)]| {
            description(&vars.iter().map(|(key, value)| (key.parse().unwrap(), value.map(str::to_owned))).collect())
        };
        assert_eq!(change(&[("B", Some("2")), ("A", Some("1"))]), "Set A, B config vars");
        assert_eq!(change(&[("A", None)]), "Remove A config vars");
        assert_eq!(change(&[("A", None), ("B", Some(""))]), "Set B and remove A config vars");
    }
}
