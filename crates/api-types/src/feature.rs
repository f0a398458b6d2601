//! Features of an account or an app that can be switched.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Time;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Feature {
    pub created_at: Time,
    pub description: String,
    pub display_name: String,
    pub doc_url: String,
    pub enabled: bool,
    pub feedback_email: String,
    pub id: Uuid,
    pub name: String,
    /// `general`, `beta`, `alpha`: who it is for.
    pub state: String,
    pub updated_at: Time,
}

/// `PATCH …/features/:feature`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateFeature {
    pub enabled: bool,
}
