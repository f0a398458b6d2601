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
    /// The platform made its password, and its holder has not replaced it yet.
    pub has_one_time_password: bool,
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
    /// It came from a login, and `logout` ends it.
    pub is_session: bool,
    pub expires_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}
