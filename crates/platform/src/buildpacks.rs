//! The buildpacks that an app's next build uses, in their order.

use std::sync::Arc;

use builder::Registry;
use domain::App;
use domain::buildpack::BuildpackRef;

use crate::{Caller, Platform, PlatformError};

/// Buildpacks of one app at most.
const MOST_PER_APP: usize = 20;

pub struct Buildpacks<'a> {
    pub(crate) platform: &'a Arc<Platform>,
}

impl Buildpacks<'_> {
    /// Those that were set or detected; empty: detected by the next build.
    pub async fn list(&self, app: &App) -> Result<Vec<BuildpackRef>, PlatformError> {
        Ok(self.platform.store.buildpacks().list(app.id).await?)
    }

    /// What the names of buildpacks stand for on this platform.
    pub fn registry(&self) -> Arc<Registry> {
        self.platform.builder.registry()
    }

    /// Refuses what no build could look for; nothing is fetched.
    pub fn check(&self, buildpacks: &[BuildpackRef]) -> Result<(), PlatformError> {
        let registry = self.registry();
        let checked = buildpacks.iter().try_for_each(|buildpack| registry.check(buildpack));
        checked.map_err(|unknown| PlatformError::Invalid(unknown.to_string()))
    }

    /// Sets the whole list anew; an empty one brings detection back.
    pub async fn replace(
        &self,
        _caller: &Caller,
        app: &App,
        buildpacks: Vec<BuildpackRef>,
    ) -> Result<Vec<BuildpackRef>, PlatformError> {
        if buildpacks.len() > MOST_PER_APP {
            return Err(PlatformError::Invalid(format!("An app may have at most {MOST_PER_APP} buildpacks.")));
        }
        let twice = buildpacks.iter().enumerate().find(|(index, buildpack)| buildpacks[..*index].contains(buildpack));
        if let Some((_, buildpack)) = twice {
            return Err(PlatformError::Invalid(format!("The buildpack {buildpack} is in the list twice.")));
        }
        self.check(&buildpacks)?;
        self.platform.store.buildpacks().replace(app.id, &buildpacks, self.platform.now()).await?;
        self.list(app).await
    }
}
