//! How the platform does: what `heroku status` shows.

use serde::{Deserialize, Serialize};

use crate::Time;

/// `GET /api/v4/current-status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CurrentStatus {
    pub status: Vec<SystemStatus>,
    pub incidents: Vec<Incident>,
    pub scheduled: Vec<Incident>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SystemStatus {
    /// `Apps`, `Data` or `Tools`.
    pub system: String,
    /// `green`, `yellow` or `red`.
    pub status: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    pub title: String,
    pub created_at: Time,
    pub updates: Vec<Update>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Update {
    pub update_type: String,
    pub updated_at: Time,
    pub contents: String,
}
