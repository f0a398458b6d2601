//! Log sessions: a URL under which an app's log can be read for a while.

use domain::LogSessionId;
use serde::{Deserialize, Serialize};

use crate::Time;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogSession {
    pub created_at: Time,
    pub id: LogSessionId,
    /// Readable without credentials: the URL is the secret.
    pub logplex_url: String,
    pub updated_at: Time,
}

/// `POST /apps/:app/log-sessions`. The CLI says `dyno`, the schema `dyno_name`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateLogSession {
    /// `web.1`, or a process type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dyno: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dyno_name: Option<String>,
    /// A process type.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub process_type: Option<String>,
    /// How many past lines, counted after the filters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lines: Option<u32>,
    /// `app` or `heroku`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Whether to go on with new lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tail: Option<bool>,
}

impl CreateLogSession {
    /// The dyno or process type that was asked for, under whichever name.
    pub fn wanted_dyno(&self) -> Option<&str> {
        let wanted = self.dyno.as_deref().or(self.dyno_name.as_deref()).or(self.process_type.as_deref());
        wanted.filter(|name| !name.is_empty())
    }
}
