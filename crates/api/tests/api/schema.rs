//! The published schema of Heroku's Platform API, and a validator for the part
//! of JSON Schema (draft 4 with `strictProperties`) that it uses.

use std::path::{Path, PathBuf};

use serde_json::Value;

pub(crate) struct Schema(Value);

impl Schema {
    /// The schema at `RENGA_PLATFORM_API_SCHEMA` or beside the repository;
    /// `None`, and a word about it, if there is none.
    pub(crate) fn load() -> Option<Self> {
        let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/platform-api/schema.json");
        let path = std::env::var_os("RENGA_PLATFORM_API_SCHEMA").map_or_else(beside, PathBuf::from);
        match std::fs::read(&path) {
            Ok(text) => Some(Self(serde_json::from_slice(&text).unwrap())),
            Err(error) => {
                eprintln!("skipped: the published schema is not at {}: {error}", path.display());
                None
            }
        }
    }

    /// Method and path of every link, with `*` for each parameter.
    pub(crate) fn links(&self) -> Vec<(http::Method, String)> {
        let definitions = self.0["definitions"].as_object().unwrap().values();
        let links = definitions.filter_map(|definition| definition["links"].as_array()).flatten();
        let with_stars = |href: &str| {
            let parts = href.split('/').map(|part| if part.starts_with('{') { "*" } else { part });
            parts.collect::<Vec<_>>().join("/")
        };
        let link = |link: &Value| {
            (link["method"].as_str().unwrap().parse().unwrap(), with_stars(link["href"].as_str().unwrap()))
        };
        links.map(link).collect()
    }

    /// All ways in which `value` is not as the definition says.
    pub(crate) fn faults(&self, definition: &str, value: &Value) -> Vec<String> {
        let Some(schema) = self.0["definitions"].get(definition) else {
            return vec![format!("the schema has no definition {definition}")];
        };
        let mut faults = Vec::new();
        self.check(schema, value, definition, &mut faults);
        faults
    }

    /// The same for a map of config vars.
    pub(crate) fn config_faults(&self, value: &Value) -> Vec<String> {
        let mut faults = Vec::new();
        let schema = &self.0["definitions"]["config-var"]["definitions"]["config_vars"];
        self.check(schema, value, "config-vars", &mut faults);
        faults
    }

    fn check(&self, schema: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
        if let Some(reference) = schema["$ref"].as_str() {
            let pointer = reference.strip_prefix('#').expect("references are local");
            let target = self.0.pointer(pointer).unwrap_or_else(|| panic!("the schema's {reference} leads nowhere"));
            return self.check(target, value, at, faults);
        }
        if let Some(choices) = schema["anyOf"].as_array() {
            let fits = |choice: &Value| {
                let mut faults = Vec::new();
                self.check(choice, value, at, &mut faults);
                faults.is_empty()
            };
            if !choices.iter().any(fits) {
                faults.push(format!("{at}: {value} fits none of {} choices", choices.len()));
            }
        }
        if let Some(types) = schema["type"].as_array()
            && !types.iter().any(|name| has_type(value, name.as_str().unwrap()))
        {
            return faults.push(format!("{at}: {value} is none of {types:?}"));
        }
        if let Some(values) = schema["enum"].as_array()
            && !values.contains(value)
        {
            faults.push(format!("{at}: {value} is none of {values:?}"));
        }
        match value {
            Value::String(text) => check_text(schema, text, at, faults),
            Value::Array(items) if schema["items"].is_object() => {
                for (index, item) in items.iter().enumerate() {
                    self.check(&schema["items"], item, &format!("{at}[{index}]"), faults);
                }
            }
            Value::Object(_) => self.check_object(schema, value, at, faults),
            _ => {}
        }
    }

    fn check_object(&self, schema: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
        let nothing = serde_json::Map::new();
        let properties = schema["properties"].as_object().unwrap_or(&nothing);
        let patterns = schema["patternProperties"].as_object().unwrap_or(&nothing);
        for (name, property) in value.as_object().unwrap() {
            let at = format!("{at}.{name}");
            if let Some(schema) = properties.get(name) {
                self.check(schema, property, &at, faults);
            } else if let Some((_, schema)) = patterns.iter().find(|(pattern, _)| fits(pattern, name)) {
                self.check(schema, property, &at, faults);
            } else if schema["additionalProperties"] == false {
                faults.push(format!("{at}: the schema has no such property"));
            }
        }
        let required = schema["required"].as_array().into_iter().flatten().map(|name| name.as_str().unwrap());
        // Of the definitions of resources, `strictProperties` means that all
        // of them must be there.
        let strict = schema["strictProperties"] == true;
        let all = properties.keys().map(String::as_str).filter(|_| strict);
        for name in required.chain(all) {
            if value.get(name).is_none() {
                faults.push(format!("{at}: `{name}` is missing"));
            }
        }
    }
}

fn has_type(value: &Value, name: &str) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("the schema has a type {other} that this validator does not know"),
    }
}

fn check_text(schema: &Value, text: &str, at: &str, faults: &mut Vec<String>) {
    let format_fits = match schema["format"].as_str() {
        None => true,
        Some("uuid") => text.len() == 36 && uuid::Uuid::parse_str(text).is_ok(),
        Some("email") => text.contains('@'),
        Some("date-time") => text.ends_with('Z') && text.parse::<jiff::Timestamp>().is_ok(),
        // The schema gives host names this format too, which no host name has.
        Some("uri") => !text.is_empty(),
        Some(other) => panic!("the schema has a format {other} that this validator does not know"),
    };
    if !format_fits {
        faults.push(format!("{at}: `{text}` is not of the format {}", schema["format"]));
    }
    if let Some(pattern) = schema["pattern"].as_str()
        && !fits(pattern, text)
    {
        faults.push(format!("{at}: `{text}` does not fit {pattern}"));
    }
}

/// The few patterns that the schema has, spelled out.
fn fits(pattern: &str, text: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    match pattern {
        r"^\w+$" => !text.is_empty() && text.bytes().all(word),
        r"^[-\w]{1,128}$" => (1..=128).contains(&text.len()) && text.bytes().all(|byte| word(byte) || byte == b'-'),
        "^[a-z][a-z0-9-]{1,28}[a-z0-9]$" => text.parse::<domain::AppName>().is_ok(),
        // These two name the vendor's own hosts; ours are elsewhere.
        r"^https://git\.heroku\.com/[a-z][a-z0-9-]{2,29}\.git$" => is_url(text, ".git"),
        r"^https?://[a-z][a-z0-9-]{3,43}\.herokuapp\.com/$" => is_url(text, "/"),
        other => panic!("the schema has a pattern {other} that this validator does not know"),
    }
}

fn is_url(text: &str, end: &str) -> bool {
    text.parse::<http::Uri>().is_ok_and(|url| url.host().is_some() && url.scheme().is_some()) && text.ends_with(end)
}

#[test]
fn the_validator_finds_faults() {
    let Some(schema) = Schema::load() else { return };
    let good = serde_json::json!({ "remaining": 1 });
    assert_eq!(schema.faults("rate-limit", &good), [] as [String; 0]);
    for bad in [serde_json::json!({}), serde_json::json!({ "remaining": "1" }), serde_json::json!([])] {
        assert_eq!(schema.faults("rate-limit", &bad).len(), 1, "{bad}");
    }
    assert_eq!(schema.config_faults(&serde_json::json!({ "A": "b", "C": 1, "D-E": "f" })).len(), 2);
    assert!(!schema.faults("app", &serde_json::json!({ "id": "no" })).is_empty());
}
