//! Authorizations: the API keys of an account, in the shape of OAuth.

use domain::ApiKeyId;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{IdRef, NamedRef, Time};

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authorization {
    pub access_token: Option<AccessToken>,
    pub client: Option<NamedRef>,
    pub created_at: Time,
    pub description: String,
    pub grant: Option<IdRef<Uuid>>,
    pub id: ApiKeyId,
    pub refresh_token: Option<IdRef<Uuid>>,
    pub scope: Vec<String>,
    pub session: Option<IdRef<Uuid>>,
    pub updated_at: Time,
    pub user: AuthorizationUser,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessToken {
    /// Seconds from now; `None`: for ever.
    pub expires_in: Option<i64>,
    pub id: ApiKeyId,
    /// The key itself in the answer that made it; later a text that tells
    /// nothing, since only its digest is kept.
    pub token: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorizationUser {
    pub email: domain::Email,
    pub full_name: Option<String>,
    pub id: domain::AccountId,
}

/// `POST /oauth/authorizations`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateAuthorization {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Seconds; `null` or absent: for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<u32>,
    /// Every key has the scope `global` here; a narrower wish is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Vec<String>>,
}

/// `PATCH /oauth/authorizations/:id`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateAuthorization {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The OAuth client that the key is to belong to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<IdRef<Uuid>>,
}
