//! Features of an app that can be switched, and only such as have an effect.

use std::sync::Arc;

use domain::App;
use jiff::Timestamp;

use crate::{Caller, Platform, PlatformError, Resource};

pub struct Features<'a> {
    pub(crate) platform: &'a Arc<Platform>,
}

/// A feature as the platform has it.
#[derive(Debug, PartialEq, Eq)]
pub struct Feature {
    pub name: &'static str,
    pub title: &'static str,
    pub description: &'static str,
    /// Part of the platform: on for every app, and can't be switched off.
    pub always_on: bool,
}

const FEATURES: [Feature; 2] = [
    Feature {
        name: "preboot",
        title: "Preboot",
        description: "New dynos answer before old ones are stopped: how every release is done here.",
        always_on: true,
    },
    Feature {
        name: "runtime-dyno-metadata",
        title: "Dyno Metadata",
        description: "Dynos find the app's id and name, the release and the commit in their environment (HEROKU_APP_ID, \
                      HEROKU_RELEASE_VERSION, HEROKU_SLUG_COMMIT, …). Takes effect with the next start of a dyno.",
        always_on: false,
    },
];

/// A feature and how it stands for one app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeatureState {
    pub feature: &'static Feature,
    pub enabled: bool,
    /// When it was switched on; `None` if it is not, or always was.
    pub enabled_at: Option<Timestamp>,
}

impl Features<'_> {
    pub async fn list(&self, app: &App) -> Result<Vec<FeatureState>, PlatformError> {
        let enabled = self.platform.store.features().enabled(app.id).await?;
        let state = |feature: &'static Feature| {
            let enabled_at = enabled.iter().find(|(name, _)| name == feature.name).map(|(_, at)| *at);
            FeatureState { feature, enabled: feature.always_on || enabled_at.is_some(), enabled_at }
        };
        Ok(FEATURES.iter().map(state).collect())
    }

    pub async fn find(&self, app: &App, name: &str) -> Result<FeatureState, PlatformError> {
        let found = self.list(app).await?.into_iter().find(|state| state.feature.name == name);
        found.ok_or(PlatformError::NotFound(Resource::Feature))
    }

    pub async fn set(
        &self,
        _caller: &Caller,
        app: &App,
        name: &str,
        enabled: bool,
    ) -> Result<FeatureState, PlatformError> {
        let state = self.find(app, name).await?;
        if state.feature.always_on {
            return match enabled {
                true => Ok(state),
                false => {
                    Err(PlatformError::Invalid(format!("`{name}` is how this platform works: it can't be disabled.")))
                }
            };
        }
        self.platform.store.features().set(app.id, name, enabled, self.platform.now()).await?;
        self.find(app, name).await
    }
}
