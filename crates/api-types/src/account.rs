//! Accounts.

use domain::{AccountId, Email};
use serde::{Deserialize, Serialize};

use crate::{NamedRef, Time};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    pub allow_tracking: bool,
    pub beta: bool,
    pub country_of_residence: Option<String>,
    pub created_at: Time,
    pub default_organization: Option<NamedRef>,
    pub default_team: Option<NamedRef>,
    pub delinquent_at: Option<Time>,
    pub email: Email,
    pub federated: bool,
    pub id: AccountId,
    pub identity_provider: Option<NamedRef>,
    pub last_login: Option<Time>,
    pub name: Option<String>,
    pub sms_number: Option<String>,
    pub suspended_at: Option<Time>,
    pub two_factor_authentication: bool,
    pub updated_at: Time,
    pub verified: bool,
}

impl From<&domain::account::Account> for Account {
    fn from(account: &domain::account::Account) -> Self {
        Self {
            allow_tracking: false,
            beta: false,
            country_of_residence: None,
            created_at: account.created_at.into(),
            default_organization: None,
            default_team: None,
            delinquent_at: None,
            email: account.email.clone(),
            federated: false,
            id: account.id,
            identity_provider: None,
            last_login: None,
            name: account.name.clone(),
            sms_number: None,
            suspended_at: None,
            two_factor_authentication: false,
            updated_at: account.updated_at.into(),
            verified: true,
        }
    }
}

/// `PATCH /account`. Tracking and beta are accepted and have no effect: there
/// is neither here.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateAccount {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_tracking: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beta: Option<bool>,
    /// Absent: unchanged. `null`: no name.
    #[serde(default, with = "nullable", skip_serializing_if = "Option::is_none")]
    pub name: Option<Option<String>>,
    /// With `password`, the one so far: a new one in its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_password: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
}

/// `POST /accounts`, Renga's own: the operator makes an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateAccount {
    pub email: Email,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// The answer to [`CreateAccount`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreatedAccount {
    pub id: AccountId,
    pub email: Email,
    pub name: Option<String>,
    /// Shown this once, for `heroku login -i`.
    pub one_time_password: String,
    pub created_at: Time,
}

/// Tells a field that is `null` from one that is absent (with `default`).
pub(crate) mod nullable {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<T: Serialize, S: Serializer>(
        value: &Option<Option<T>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        value.serialize(serializer)
    }

    pub(crate) fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Option<T>>, D::Error> {
        Option::deserialize(deserializer).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absent_name_stays_and_a_null_one_goes() {
        assert_eq!(serde_json::from_str::<UpdateAccount>("{}").unwrap().name, None);
        assert_eq!(serde_json::from_str::<UpdateAccount>(r#"{"name":null}"#).unwrap().name, Some(None));
        let named = serde_json::from_str::<UpdateAccount>(r#"{"name":"Bashō"}"#).unwrap();
        assert_eq!(named.name, Some(Some("Bashō".to_owned())));
    }
}
