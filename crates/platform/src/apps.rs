//! Apps: made, found, renamed, set into maintenance, destroyed.

use std::sync::Arc;

use domain::{App, AppId, AppName};
use stack::Stack;
use store::{CreateAppError, NewApp, RenameError};
use uuid::Uuid;

use crate::dynos::is_one_off;
use crate::reconcile::STOP_GRACE;
use crate::{Caller, Platform, PlatformError, Resource};

/// How often a name is made up before we give in.
const NAME_TRIES: usize = 16;

pub struct Apps<'a> {
    pub(crate) platform: &'a Arc<Platform>,
}

/// A stack that apps may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StackChoice {
    pub name: &'static str,
    /// New apps get it.
    pub is_default: bool,
}

/// What `PATCH /apps/:app` may change; `None` leaves it.
#[derive(Debug, Clone, Default)]
pub struct AppChange {
    pub name: Option<AppName>,
    pub maintenance: Option<bool>,
    /// A stack's name, or one of Heroku's that stands for ours.
    pub build_stack: Option<String>,
}

impl Apps<'_> {
    /// A new app of the caller's, with its first, empty release. Without a
    /// name one is made up.
    pub async fn create(
        &self,
        caller: &Caller,
        name: Option<AppName>,
        stack: Option<&str>,
    ) -> Result<App, PlatformError> {
        let stack = stack_named(stack.unwrap_or(&self.platform.settings.default_stack))?;
        let tries = if name.is_some() { 1 } else { NAME_TRIES };
        for _ in 0..tries {
            let name = name.clone().unwrap_or_else(invented_name);
            let new = NewApp { name: name.clone(), owner: caller.account.id, stack: stack.to_owned() };
            match self.platform.store.apps().create(new, self.platform.now()).await {
                Ok(app) => {
                    let user = &caller.account.email;
                    tracing::info!(app.name = %app.name, app.id = %app.id, "Created the app {}", app.name);
                    self.platform.announce(app.id, &format!("Release v1 created by user {user}"));
                    self.platform.announce(app.id, &format!("Initial release by user {user}"));
                    self.platform.wake(app.id);
                    return Ok(app);
                }
                Err(CreateAppError::NameTaken) if tries > 1 => {}
                Err(CreateAppError::NameTaken) => return Err(name_taken(&name)),
                Err(CreateAppError::Store(error)) => return Err(error.into()),
            }
        }
        Err(PlatformError::Conflict("Could not make up a free name; choose one yourself.".to_owned()))
    }

    /// The apps that the caller owns or collaborates on.
    pub async fn list(&self, caller: &Caller) -> Result<Vec<App>, PlatformError> {
        Ok(self.platform.store.apps().list_visible_to(caller.account.id).await?)
    }

    /// Keeps how large the app's git repository has become.
    pub async fn note_repo_size(&self, app: AppId, size_bytes: u64) -> Result<(), PlatformError> {
        self.platform.store.apps().set_repo_size(app, size_bytes, self.platform.now()).await?;
        Ok(())
    }

    /// An app by its name or id, if the caller may use it: as its owner, a
    /// collaborator or the operator. To others it does not exist.
    pub async fn find(&self, caller: &Caller, identity: &str) -> Result<App, PlatformError> {
        let apps = self.platform.store.apps();
        let found = match (identity.parse::<AppId>(), identity.parse::<AppName>()) {
            (Ok(id), _) => apps.by_id(id).await?,
            (_, Ok(name)) => apps.by_name(&name).await?,
            _ => None,
        };
        let app = found.ok_or(PlatformError::NotFound(Resource::App))?;
        if owns(caller, &app) || self.platform.store.collaborators().is_collaborator(app.id, caller.account.id).await? {
            Ok(app)
        } else {
            Err(PlatformError::NotFound(Resource::App))
        }
    }

    /// As [`Apps::find`], for what only the owner (or the operator) may do.
    pub async fn find_owned(&self, caller: &Caller, identity: &str) -> Result<App, PlatformError> {
        let app = self.find(caller, identity).await?;
        if owns(caller, &app) {
            Ok(app)
        } else {
            Err(PlatformError::Forbidden(format!("Only the owner of {} may do this.", app.name)))
        }
    }

    /// Changes what `change` names. A new name is the owner's to give.
    pub async fn update(&self, caller: &Caller, app: &App, change: AppChange) -> Result<App, PlatformError> {
        let (store, now) = (self.platform.store.apps(), self.platform.now());
        // Every refusal comes before the first change.
        let stack = change.build_stack.as_deref().map(stack_named).transpose()?;
        let new_name = change.name.filter(|name| *name != app.name);
        if new_name.is_some() && !owns(caller, app) {
            return Err(PlatformError::Forbidden(format!("Only the owner of {} may rename it.", app.name)));
        }
        let mut changed = app.clone();
        if let Some(name) = new_name {
            changed = store.rename(app.id, name.clone(), now).await.map_err(|error| match error {
                RenameError::NameTaken => name_taken(&name),
                RenameError::Store(error) => error.into(),
            })?;
            tracing::info!(app.id = %app.id, "Renamed the app {} to {}", app.name, changed.name);
        }
        if let Some(stack) = stack {
            changed = store.set_build_stack(app.id, stack, now).await?;
        }
        if let Some(maintenance) = change.maintenance {
            changed = store.set_maintenance(app.id, maintenance, now).await?;
        }
        self.platform.wake(app.id);
        Ok(changed)
    }

    /// Removes the app and all that is its own.
    pub async fn destroy(&self, caller: &Caller, app: &App) -> Result<(), PlatformError> {
        if !owns(caller, app) {
            return Err(PlatformError::Forbidden(format!("Only the owner of {} may destroy it.", app.name)));
        }
        let dynos = self.platform.store.dynos().list(app.id).await?;
        if !self.platform.store.apps().destroy(app.id).await? {
            return Err(PlatformError::NotFound(Resource::App));
        }
        self.platform.ongoing.cancel_all(app.id);
        // The formation's dynos are the reconciler's to stop, runs are not.
        for run in dynos.iter().filter(|dyno| is_one_off(&dyno.name)) {
            if let Err(error) = self.platform.runtime.stop(run.id, STOP_GRACE).await {
                tracing::warn!(dyno.name = %run.name, %error, "Could not stop a run of a destroyed app");
            }
        }
        tracing::info!(app.name = %app.name, app.id = %app.id, "Destroyed the app {}", app.name);
        self.platform.wake(app.id);
        Ok(())
    }

    /// Whether the truth can be read: without it nothing can be changed.
    pub async fn reachable(&self) -> Result<(), PlatformError> {
        Ok(self.platform.store.ping().await?)
    }

    /// The stacks that apps may use.
    pub fn stacks(&self) -> Vec<StackChoice> {
        let default = stack_named(&self.platform.settings.default_stack);
        let choice = |stack: Stack| StackChoice {
            name: stack.name(),
            is_default: default.as_ref().is_ok_and(|default| *default == stack.name()),
        };
        Stack::ALL.into_iter().map(choice).collect()
    }
}

/// What the owner may do, the operator may do too.
pub(crate) fn owns(caller: &Caller, app: &App) -> bool {
    app.owner == caller.account.id || caller.account.is_operator
}

fn stack_named(name: &str) -> Result<&'static str, PlatformError> {
    match name.parse::<Stack>() {
        Ok(stack) => Ok(stack.name()),
        Err(unknown) => Err(PlatformError::Invalid(unknown.to_string())),
    }
}

fn name_taken(name: &AppName) -> PlatformError {
    PlatformError::Invalid(format!("Name {name} is already taken"))
}

/// `quiet-river-04217`: easy to say, and one of 57 million.
fn invented_name() -> AppName {
    const QUALITIES: [&str; 24] = [
        "amber", "autumn", "bold", "brave", "calm", "clear", "crimson", "distant", "early", "evening", "gentle",
        "golden", "hidden", "late", "misty", "morning", "pale", "quiet", "silent", "silver", "slow", "spring", "still",
        "winter",
    ];
    const THINGS: [&str; 24] = [
        "bamboo", "bell", "bridge", "brook", "cedar", "cloud", "crane", "dawn", "field", "firefly", "frost", "garden",
        "lantern", "maple", "meadow", "moon", "mountain", "pine", "plum", "rain", "river", "snow", "sparrow", "willow",
    ];
    let random = Uuid::new_v4().as_u128();
    let quality = QUALITIES[(random % 24) as usize];
    let thing = THINGS[(random / 24 % 24) as usize];
    let number = (random >> 80) % 100_000;
    format!("{quality}-{thing}-{number:05}").parse().expect("made of short lowercase words and digits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invented_names_are_names_and_differ() {
        let names: std::collections::BTreeSet<String> = (0..200).map(|_| invented_name().to_string()).collect();
        assert!(names.len() > 190, "{names:?}");
    }

    #[test]
    fn herokus_stacks_stand_for_ours() {
        assert_eq!(stack_named("heroku-24").unwrap(), Stack::DEFAULT.name());
        assert!(matches!(stack_named("cedar"), Err(PlatformError::Invalid(_))));
    }
}
