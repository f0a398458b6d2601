//! How one resource names another.

use domain::{AccountId, App, AppId, AppName, Email};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppRef {
    pub id: AppId,
    pub name: AppName,
}

impl From<&App> for AppRef {
    fn from(app: &App) -> Self {
        Self { id: app.id, name: app.name.clone() }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserRef {
    pub id: AccountId,
    pub email: Email,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedRef {
    pub id: Uuid,
    pub name: String,
}

impl NamedRef {
    /// A thing without a row: its id comes from its kind and name.
    pub fn stable(kind: &str, name: &str) -> Self {
        Self { id: crate::stable_id(kind, name), name: name.to_owned() }
    }

    pub fn stack(name: &str) -> Self {
        Self::stable("stack", name)
    }

    /// The generation of all apps here.
    pub fn generation() -> Self {
        Self::stable("generation", "cedar")
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdRef<T> {
    pub id: T,
}
