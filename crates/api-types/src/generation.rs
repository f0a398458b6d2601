//! Generations of the platform: all apps here are of the one that Heroku calls Cedar.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{NamedRef, Time};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generation {
    pub created_at: Time,
    pub id: Uuid,
    pub name: String,
    pub updated_at: Time,
}

impl Generation {
    /// The only one.
    pub fn here(since: Time) -> Self {
        let NamedRef { id, name } = NamedRef::generation();
        Self { created_at: since, id, name, updated_at: since }
    }
}
