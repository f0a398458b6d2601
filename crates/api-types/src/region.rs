//! Regions. One machine is one region, under the name that scripts expect.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{NamedRef, Time};

/// The name of the one region.
pub const REGION: &str = "us";

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Region {
    pub country: String,
    pub created_at: Time,
    pub description: String,
    pub id: Uuid,
    pub locale: String,
    pub name: String,
    pub private_capable: bool,
    pub provider: Provider,
    pub updated_at: Time,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provider {
    pub name: String,
    /// One of the names that the public schema lists; clients check it.
    pub region: String,
}

/// The region as apps name it.
pub fn reference() -> NamedRef {
    NamedRef::stable("region", REGION)
}

impl Region {
    /// The region, known since this time.
    pub fn here(since: Time) -> Self {
        Self {
            country: "This machine".to_owned(),
            created_at: since,
            description: "The machine that Renga runs on".to_owned(),
            id: reference().id,
            locale: "local".to_owned(),
            name: REGION.to_owned(),
            private_capable: false,
            provider: Provider { name: "renga".to_owned(), region: "us-east-1".to_owned() },
            updated_at: since,
        }
    }
}
