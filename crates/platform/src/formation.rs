//! The formation: scale and resize.

use std::sync::Arc;

use domain::formation::{Formation, Quantity};
use domain::{App, ProcessType};
use store::{FormationChange, UpdateFormationError};

use crate::error::{PlatformError, Resource};
use crate::{Caller, Platform};

pub struct Formations<'a> {
    pub(crate) platform: &'a Arc<Platform>,
}

impl Formations<'_> {
    pub async fn list(&self, app: &App) -> Result<Vec<Formation>, PlatformError> {
        Ok(self.platform.store.formation().list(app.id).await?)
    }

    /// By process type or id.
    pub async fn find(&self, app: &App, type_or_id: &str) -> Result<Formation, PlatformError> {
        let formation = self.list(app).await?;
        let matches = |row: &&Formation| row.process_type.as_str() == type_or_id || row.id.to_string() == type_or_id;
        formation.iter().find(matches).cloned().ok_or(PlatformError::NotFound(Resource::Formation))
    }

    /// Changes quantities and sizes, all or none; returns the changed entries.
    pub async fn update(
        &self,
        caller: &Caller,
        app: &App,
        changes: &[FormationChange],
    ) -> Result<Vec<Formation>, PlatformError> {
        if let Some(change) = changes.iter().find(|change| !change.process_type.is_scalable() && asks_for_dynos(change))
        {
            return Err(PlatformError::Invalid(format!(
                "`{}` runs by itself before each release goes live, and can't be scaled.",
                change.process_type
            )));
        }
        let changed = self.platform.store.formation().update(app.id, changes, self.platform.now()).await;
        let changed = match changed {
            Ok(changed) => changed,
            Err(error) => return Err(self.refused(app, error).await?),
        };
        let shown: Vec<String> =
            changed.iter().map(|row| format!("{}@{}:{}", row.process_type, row.quantity, row.size)).collect();
        self.platform.announce(app.id, &format!("Scaled to {} by user {}", shown.join(" "), caller.account.email));
        self.platform.reconciler.wake(app.id);
        Ok(changed)
    }

    async fn refused(&self, app: &App, error: UpdateFormationError) -> Result<PlatformError, PlatformError> {
        Ok(match error {
            UpdateFormationError::NoSuchType(missing) => {
                let known = self.list(app).await?;
                PlatformError::Invalid(no_such_type(&missing, &known))
            }
            UpdateFormationError::InvalidQuantity(invalid) => PlatformError::Invalid(format!("{invalid}.")),
            other => PlatformError::Internal(other.into()),
        })
    }
}

fn asks_for_dynos(change: &FormationChange) -> bool {
    matches!(change.quantity, Some(Quantity::Exactly(1..) | Quantity::More(1..)))
}

fn no_such_type(missing: &ProcessType, known: &[Formation]) -> String {
    if known.is_empty() {
        return format!("Couldn't find that process type ({missing}): the app has no code yet. Push some first.");
    }
    let known: Vec<&str> = known.iter().map(|row| row.process_type.as_str()).collect();
    format!("Couldn't find that process type ({missing}). The app has: {}.", known.join(", "))
}
