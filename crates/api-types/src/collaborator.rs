//! Collaborators: who may use an app.

use domain::{AccountId, CollaboratorId, Email};
use serde::{Deserialize, Serialize};

use crate::{AppRef, Time};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Collaborator {
    pub app: AppRef,
    pub created_at: Time,
    pub id: CollaboratorId,
    pub permissions: Vec<Permission>,
    /// `owner` or `collaborator`.
    pub role: Option<String>,
    pub updated_at: Time,
    pub user: CollaboratorUser,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CollaboratorUser {
    pub email: Email,
    pub federated: bool,
    pub id: AccountId,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permission {
    pub description: String,
    pub name: String,
}

/// `POST /apps/:app/collaborators`: `user` is an e-mail address or an id.
/// No mail is ever sent, so `silent` changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateCollaborator {
    pub user: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silent: Option<bool>,
}
