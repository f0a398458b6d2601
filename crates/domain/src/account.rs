//! Accounts and the keys they call the API with.

use jiff::Timestamp;

use crate::names::Email;
use crate::{AccountId, ApiKeyId};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    pub id: AccountId,
    pub email: Email,
    pub name: Option<String>,
    /// The owner of the platform may do what no other account may.
    pub is_operator: bool,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// An API key as the platform keeps it: the key itself is known to its holder
/// only, here lie its digest and what it shows of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    pub id: ApiKeyId,
    pub account: AccountId,
    pub description: String,
    pub expires_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}
