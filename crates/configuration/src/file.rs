//! The configuration file: flat TOML, a key per setting.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use toml::Value;

use crate::table::SETTINGS;

/// What a configuration file says, as text per setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigurationFile {
    pub path: PathBuf,
    pub(crate) values: BTreeMap<String, String>,
}

#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("could not read the configuration file `{}`", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("`{}` is not TOML: {message}", path.display())]
    Syntax { path: PathBuf, message: String },
    #[error("`{}`: {}", path.display(), faults.join("\n"))]
    Keys { path: PathBuf, faults: Vec<String> },
}

impl ConfigurationFile {
    /// Reads it whole, and refuses keys that mean nothing.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        let read = |source| FileError::Read { path: path.to_owned(), source };
        Self::parse(path, &std::fs::read_to_string(path).map_err(read)?)
    }

    /// The same for a text that is to be put there.
    pub fn parse(path: &Path, text: &str) -> Result<Self, FileError> {
        let path = path.to_owned();
        let table: toml::Table = match text.parse() {
            Ok(table) => table,
            Err(error) => return Err(FileError::Syntax { path, message: error.to_string().trim().to_owned() }),
        };
        let mut values = BTreeMap::new();
        let mut faults = Vec::new();
        for (key, value) in table {
            if !SETTINGS.iter().any(|setting| setting.name == key) {
                faults.push(unknown(&key));
                continue;
            }
            match text_of(&value) {
                Some(text) => {
                    values.insert(key, text);
                }
                None => faults.push(format!("`{key}` must be a text, a number, true or false, or a list of texts")),
            }
        }
        if faults.is_empty() { Ok(Self { path, values }) } else { Err(FileError::Keys { path, faults }) }
    }
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Boolean(truth) => Some(truth.to_string()),
        Value::Array(values) => {
            let texts: Option<Vec<&str>> = values.iter().map(Value::as_str).collect();
            Some(texts?.join(","))
        }
        _ => None,
    }
}

fn unknown(key: &str) -> String {
    let plain = key.replace('-', "_").to_ascii_lowercase();
    let near = SETTINGS
        .iter()
        .map(|setting| (strsim::normalized_damerau_levenshtein(setting.name, &plain), setting.name))
        .filter(|(likeness, _)| *likeness > 0.6)
        .max_by(|one, other| one.0.total_cmp(&other.0));
    match near {
        Some((_, name)) => format!("there is no setting `{key}`; did you mean `{name}`?"),
        None => format!("there is no setting `{key}`; `renga settings` lists them all"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<ConfigurationFile, String> {
        ConfigurationFile::parse(Path::new("renga.toml"), text).map_err(|error| error.to_string())
    }

    #[test]
    fn texts_numbers_and_lists_are_taken() {
        let file =
            parsed("listen = ['0.0.0.0:80', '0.0.0.0:443']\nconcurrent_builds = 4\nunpack_images = true").unwrap();
        assert_eq!(file.values["listen"], "0.0.0.0:80,0.0.0.0:443");
        assert_eq!(file.values["concurrent_builds"], "4");
        assert_eq!(file.values["unpack_images"], "true");
    }

    #[test]
    fn an_unknown_key_is_refused_with_the_one_that_was_meant() {
        let error = parsed("data-dir = '/x'\nlisen = '1.2.3.4:5'\nzebra = 1").unwrap_err();
        assert!(error.contains("`data-dir`; did you mean `data_dir`?"), "{error}");
        assert!(error.contains("`lisen`; did you mean `listen`?"), "{error}");
        assert!(error.contains("`zebra`; `renga settings` lists"), "{error}");
    }

    #[test]
    fn what_is_no_toml_is_told_with_its_line() {
        let error = parsed("listen = \n").unwrap_err();
        assert!(error.contains("renga.toml` is not TOML") && error.contains("line 1"), "{error}");
    }
}
