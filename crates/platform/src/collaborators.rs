//! Who may use an app: its owner, and those he lets in.

use std::sync::Arc;

use domain::{AccountId, App, CollaboratorId, Email};
use jiff::Timestamp;
use store::AddCollaboratorError;
use uuid::Uuid;

use crate::apps::owns;
use crate::{Caller, Platform, PlatformError, Resource};

pub struct Collaborators<'a> {
    pub(crate) platform: &'a Arc<Platform>,
}

/// Someone who may use an app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub id: CollaboratorId,
    pub account: AccountId,
    pub email: Email,
    pub is_owner: bool,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl From<domain::app::Collaborator> for Member {
    fn from(collaborator: domain::app::Collaborator) -> Self {
        Self {
            id: collaborator.id,
            account: collaborator.account,
            email: collaborator.email,
            is_owner: false,
            created_at: collaborator.created_at,
            updated_at: collaborator.updated_at,
        }
    }
}

impl Collaborators<'_> {
    /// The owner first, then the others.
    pub async fn list(&self, app: &App) -> Result<Vec<Member>, PlatformError> {
        let others = self.platform.store.collaborators().list(app.id).await?;
        Ok(std::iter::once(owner(app)).chain(others.into_iter().map(Member::from)).collect())
    }

    /// One of them by id or e-mail address.
    pub async fn find(&self, app: &App, identity: &str) -> Result<Member, PlatformError> {
        let owner = owner(app);
        let is_owner = [owner.id.to_string(), owner.account.to_string(), owner.email.to_string()]
            .iter()
            .any(|own| own.eq_ignore_ascii_case(identity));
        if is_owner {
            return Ok(owner);
        }
        let identity = identity.parse::<Email>().map_or_else(|_| identity.to_owned(), |email| email.to_string());
        let found = self.platform.store.collaborators().find(app.id, &identity).await?;
        found.map(Member::from).ok_or(PlatformError::NotFound(Resource::Collaborator))
    }

    /// Lets an existing account in, named by e-mail address or id. Owner only.
    pub async fn add(&self, caller: &Caller, app: &App, user: &str) -> Result<Member, PlatformError> {
        if !owns(caller, app) {
            return Err(PlatformError::Forbidden(format!("Only the owner of {} may add collaborators.", app.name)));
        }
        let account = match self.platform.accounts().by_identity(user).await {
            Err(PlatformError::NotFound(_)) => {
                return Err(PlatformError::Invalid(format!(
                    "`user` names no account here: {}. The operator creates it first (renga accounts:create EMAIL).",
                    user.chars().take(80).collect::<String>()
                )));
            }
            found => found?,
        };
        let already = || PlatformError::Invalid(format!("User is already a collaborator on app: {}", account.email));
        if account.id == app.owner {
            return Err(already());
        }
        match self.platform.store.collaborators().add(app.id, account.id, self.platform.now()).await {
            Ok(collaborator) => Ok(collaborator.into()),
            Err(AddCollaboratorError::Already) => Err(already()),
            Err(AddCollaboratorError::Store(error)) => Err(error.into()),
        }
    }

    /// Takes someone out again: the owner anyone else, anyone himself.
    pub async fn remove(&self, caller: &Caller, app: &App, identity: &str) -> Result<Member, PlatformError> {
        let member = self.find(app, identity).await?;
        if !owns(caller, app) && member.account != caller.account.id {
            return Err(PlatformError::Forbidden(format!("Only the owner of {} may remove others from it.", app.name)));
        }
        if member.is_owner {
            return Err(PlatformError::Invalid("The owner of an app can't be removed from it.".to_owned()));
        }
        match self.platform.store.collaborators().remove(member.id).await? {
            true => Ok(member),
            false => Err(PlatformError::NotFound(Resource::Collaborator)),
        }
    }
}

/// The owner as a member. He has no row, so his id is made from the app's and
/// his own.
fn owner(app: &App) -> Member {
    Member {
        id: CollaboratorId(Uuid::from_u128(app.id.0.as_u128() ^ app.owner.0.as_u128().rotate_left(1))),
        account: app.owner,
        email: app.owner_email.clone(),
        is_owner: true,
        created_at: app.created_at,
        updated_at: app.created_at,
    }
}
