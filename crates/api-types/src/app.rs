//! Apps.

use domain::{AppId, AppName};
use serde::{Deserialize, Serialize};

use crate::{NamedRef, Time, UserRef};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct App {
    /// Whether certificates are managed automatically.
    pub acm: bool,
    pub archived_at: Option<Time>,
    pub build_stack: NamedRef,
    pub buildpack_provided_description: Option<String>,
    pub created_at: Time,
    pub generation: NamedRef,
    /// `https://<platform>/<name>.git`
    pub git_url: String,
    pub id: AppId,
    pub internal_routing: Option<bool>,
    pub maintenance: bool,
    pub name: AppName,
    pub organization: Option<NamedRef>,
    pub owner: UserRef,
    pub region: NamedRef,
    pub released_at: Option<Time>,
    /// Bytes.
    pub repo_size: Option<u64>,
    /// Bytes.
    pub slug_size: Option<u64>,
    pub space: Option<NamedRef>,
    pub stack: NamedRef,
    pub team: Option<NamedRef>,
    pub updated_at: Time,
    pub web_url: Option<String>,
}

/// `POST /apps`; without a name the platform chooses one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateApp {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<AppName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<TextRef>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack: Option<TextRef>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub space: Option<TextRef>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<TextRef>,
}

/// `PATCH /apps/:app`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateApp {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build_stack: Option<TextRef>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maintenance: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<AppName>,
}

/// A thing named by its name or id, as plain text or inside an object
/// (`"us"`, `{"name": "us"}`, `{"id": "…"}`): clients send all three.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct TextRef(pub String);

impl<'de> Deserialize<'de> for TextRef {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "a name, an id, or an object with one of them")]
        enum Form {
            Text(String),
            Named { name: String },
            Id { id: String },
        }
        Ok(match Form::deserialize(deserializer)? {
            Form::Text(text) | Form::Named { name: text } | Form::Id { id: text } => Self(text),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_text_or_an_object() {
        for text in [r#""us""#, r#"{"name":"us"}"#, r#"{"id":"us"}"#] {
            assert_eq!(serde_json::from_str::<TextRef>(text).unwrap().0, "us");
        }
        assert!(serde_json::from_str::<TextRef>("1").is_err());
    }

    #[test]
    fn a_name_that_breaks_the_rule_is_refused_while_it_is_read() {
        let error = serde_json::from_str::<CreateApp>(r#"{"name":"No"}"#).unwrap_err();
        assert!(error.to_string().contains("start with a letter"), "{error}");
    }
}
