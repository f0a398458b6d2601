//! Public SSH keys of an account.

use domain::ssh_key::SshKey;
use domain::{Email, SshKeyId};
use serde::{Deserialize, Serialize};

use crate::Time;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    pub comment: String,
    pub created_at: Time,
    pub email: Email,
    pub fingerprint: String,
    pub id: SshKeyId,
    pub public_key: String,
    pub updated_at: Time,
}

impl Key {
    /// `email` is the address of the key's holder.
    pub fn new(key: &SshKey, email: &Email) -> Self {
        Self {
            comment: key.public_key.comment().to_owned(),
            created_at: key.created_at.into(),
            email: email.clone(),
            fingerprint: key.fingerprint.clone(),
            id: key.id,
            public_key: key.public_key.to_string(),
            updated_at: key.updated_at.into(),
        }
    }
}

/// `POST /account/keys`: a line as in an `authorized_keys` file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateKey {
    pub public_key: String,
}
