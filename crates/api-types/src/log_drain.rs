//! Log drains.

use domain::DrainId;
use domain::app::Drain;
use serde::{Deserialize, Serialize};

use crate::{AppRef, NamedRef, Time};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogDrain {
    pub addon: Option<NamedRef>,
    pub app: Option<AppRef>,
    pub created_at: Time,
    pub id: DrainId,
    pub token: String,
    pub updated_at: Time,
    pub url: String,
}

impl LogDrain {
    pub fn new(app: AppRef, drain: &Drain) -> Self {
        Self {
            addon: None,
            app: Some(app),
            created_at: drain.created_at.into(),
            id: drain.id,
            token: drain.token.clone(),
            updated_at: drain.updated_at.into(),
            url: drain.url.clone(),
        }
    }
}

/// `POST /apps/:app/log-drains`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateLogDrain {
    pub url: String,
}
