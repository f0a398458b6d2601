//! The formation.

use domain::formation::Quantity;
use domain::{DynoSize, FormationId, ProcessType};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::app::TextRef;
use crate::dyno_size::size_named;
use crate::{AppRef, NamedRef, Time};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Formation {
    pub app: AppRef,
    pub command: String,
    pub created_at: Time,
    pub dyno_size: NamedRef,
    pub id: FormationId,
    pub quantity: u32,
    pub size: String,
    #[serde(rename = "type")]
    pub process_type: ProcessType,
    pub updated_at: Time,
}

impl Formation {
    pub fn new(app: AppRef, formation: &domain::formation::Formation) -> Self {
        Self {
            app,
            command: formation.command.clone(),
            created_at: formation.created_at.into(),
            dyno_size: crate::dyno_size::reference(formation.size),
            id: formation.id,
            quantity: formation.quantity,
            size: formation.size.name().to_owned(),
            process_type: formation.process_type.clone(),
            updated_at: formation.updated_at.into(),
        }
    }
}

/// `PATCH /apps/:app/formation`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateFormation {
    pub updates: Vec<FormationUpdate>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormationUpdate {
    #[serde(rename = "type", alias = "process")]
    pub process_type: ProcessType,
    #[serde(flatten)]
    pub wish: FormationWish,
}

/// `PATCH /apps/:app/formation/:type`, and what each update of a batch wishes.
/// `dyno_size` wins over the older `size`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormationWish {
    /// A number, or text as the CLI sends it: `"2"`, `"+1"`, `"-1"`.
    #[serde(default, serialize_with = "write_quantity", deserialize_with = "read_quantity")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quantity: Option<Quantity>,
    #[serde(default, serialize_with = "write_size", deserialize_with = "read_size")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<DynoSize>,
    #[serde(default, serialize_with = "write_size", deserialize_with = "read_size")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dyno_size: Option<DynoSize>,
    /// For container releases, which do not exist here yet; refused, not ignored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub docker_image: Option<String>,
}

impl FormationWish {
    pub fn wanted_size(&self) -> Option<DynoSize> {
        self.dyno_size.or(self.size)
    }
}

fn read_quantity<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Quantity>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a number, or text such as \"2\", \"+1\" or \"-1\"")]
    enum Form {
        Number(u32),
        Text(String),
    }
    match Option::<Form>::deserialize(deserializer)? {
        None => Ok(None),
        Some(Form::Number(count)) => Ok(Some(Quantity::Exactly(count))),
        Some(Form::Text(text)) => text.trim().parse().map(Some).map_err(serde::de::Error::custom),
    }
}

fn write_quantity<S: Serializer>(quantity: &Option<Quantity>, serializer: S) -> Result<S::Ok, S::Error> {
    match quantity {
        None => serializer.serialize_none(),
        Some(Quantity::Exactly(count)) => serializer.serialize_u32(*count),
        Some(Quantity::More(count)) => serializer.collect_str(&format_args!("+{count}")),
        Some(Quantity::Fewer(count)) => serializer.collect_str(&format_args!("-{count}")),
    }
}

pub(crate) fn read_size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<DynoSize>, D::Error> {
    match Option::<TextRef>::deserialize(deserializer)? {
        None => Ok(None),
        Some(text) => size_named(&text.0).map(Some).map_err(serde::de::Error::custom),
    }
}

pub(crate) fn write_size<S: Serializer>(size: &Option<DynoSize>, serializer: S) -> Result<S::Ok, S::Error> {
    match size {
        None => serializer.serialize_none(),
        Some(size) => serializer.collect_str(size),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(text: &str) -> Result<FormationWish, String> {
        serde_json::from_str(text).map_err(|error: serde_json::Error| error.to_string())
    }

    #[test]
    fn quantities_are_numbers_or_text() {
        assert_eq!(wish(r#"{"quantity":2}"#).unwrap().quantity, Some(Quantity::Exactly(2)));
        assert_eq!(wish(r#"{"quantity":"2"}"#).unwrap().quantity, Some(Quantity::Exactly(2)));
        assert_eq!(wish(r#"{"quantity":"+1"}"#).unwrap().quantity, Some(Quantity::More(1)));
        assert_eq!(wish(r#"{"quantity":"-1"}"#).unwrap().quantity, Some(Quantity::Fewer(1)));
        assert_eq!(wish("{}").unwrap().quantity, None);
        assert!(wish(r#"{"quantity":-1}"#).unwrap_err().contains("a number, or text"));
        assert!(wish(r#"{"quantity":"many"}"#).unwrap_err().contains("`many` is not a quantity"));
    }

    #[test]
    fn sizes_come_as_text_or_object_in_any_case() {
        assert_eq!(wish(r#"{"size":"standard-2x"}"#).unwrap().wanted_size(), Some(DynoSize::Standard2X));
        let both = wish(r#"{"size":"eco","dyno_size":{"name":"Basic"}}"#).unwrap();
        assert_eq!(both.wanted_size(), Some(DynoSize::Basic));
        assert!(wish(r#"{"size":"huge"}"#).unwrap_err().contains("`huge` is not a dyno size"));
    }

    #[test]
    fn a_batch_reads_what_it_wrote() {
        let text = r#"{"updates":[{"type":"web","quantity":"+1","size":"Basic"}]}"#;
        let batch: UpdateFormation = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&batch).unwrap(), text);
    }
}
