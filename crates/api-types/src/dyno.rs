//! Dynos.

use std::collections::BTreeMap;

use domain::{DynoId, DynoSize, ReleaseId};
use serde::{Deserialize, Serialize};

use crate::{AppRef, Time};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dyno {
    pub app: AppRef,
    /// `rendezvous://host:port/secret` for a dyno that was started attached.
    pub attach_url: Option<String>,
    pub command: String,
    pub created_at: Time,
    pub id: DynoId,
    pub name: String,
    pub release: DynoRelease,
    pub size: String,
    /// `starting`, `up`, `crashed`, `down`, …
    pub state: String,
    #[serde(rename = "type")]
    pub process_type: String,
    pub updated_at: Time,
    /// With `?extended=true`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extended: Option<Extended>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DynoRelease {
    pub id: ReleaseId,
    pub version: u32,
}

/// What `ps --extended` shows. One machine has one of each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extended {
    pub az: Option<String>,
    pub execution_plane: Option<String>,
    pub fleet: Option<String>,
    pub instance: Option<String>,
    pub ip: Option<String>,
    pub port: Option<u16>,
    pub region: Option<String>,
    pub route: Option<String>,
}

impl Dyno {
    pub fn new(app: AppRef, dyno: &domain::dyno::Dyno) -> Self {
        Self {
            app,
            attach_url: None,
            command: dyno.command.clone(),
            created_at: dyno.created_at.into(),
            id: dyno.id,
            name: dyno.name.to_string(),
            release: DynoRelease { id: dyno.release, version: dyno.release_version },
            size: dyno.size.name().to_owned(),
            state: dyno.state.name().to_owned(),
            process_type: dyno.name.process_type.to_string(),
            updated_at: dyno.updated_at.into(),
            extended: None,
        }
    }
}

/// `POST /apps/:app/dynos`: a one-off dyno.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateDyno {
    /// Run by a shell.
    pub command: String,
    #[serde(default, deserialize_with = "null_is_default")]
    pub attach: bool,
    /// Beside the config vars, and before them. Numbers are taken as text:
    /// `COLUMNS` and `LINES` come as either.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, EnvValue>,
    #[serde(default, deserialize_with = "null_is_default")]
    pub force_no_tty: bool,
    #[serde(
        default,
        serialize_with = "crate::formation::write_size",
        deserialize_with = "crate::formation::read_size"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<DynoSize>,
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub process_type: Option<domain::ProcessType>,
    /// Seconds after which it is stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_to_live: Option<u32>,
}

/// The value of an environment variable as clients send it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct EnvValue(pub String);

impl<'de> Deserialize<'de> for EnvValue {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "text or a number")]
        enum Form {
            Text(String),
            Number(i64),
        }
        Ok(Self(match Form::deserialize(deserializer)? {
            Form::Text(text) => text,
            Form::Number(number) => number.to_string(),
        }))
    }
}

fn null_is_default<'de, T: Default + Deserialize<'de>, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// The answer to orders that have no other: `{}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Empty {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_as_the_cli_asks_for_it() {
        let text = r#"{"attach":true,"command":"bash","env":{"TERM":"xterm","COLUMNS":120},"force_no_tty":null}"#;
        let wish: CreateDyno = serde_json::from_str(text).unwrap();
        assert!(wish.attach && !wish.force_no_tty);
        assert_eq!(wish.env["COLUMNS"].0, "120");
    }
}
