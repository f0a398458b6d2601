//! From flags, variables and file to values, by precedence.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use crate::file::ConfigurationFile;
use crate::table::{Configuration, Fallback, SETTINGS};
use crate::value::Value;

/// All that someone has said.
#[derive(Debug, Default)]
pub struct Given {
    /// By the setting's name; several values are joined by commas.
    pub flags: BTreeMap<&'static str, String>,
    /// By the variable's name, prefix included; others than ours do no harm.
    pub variables: BTreeMap<String, String>,
    pub file: Option<ConfigurationFile>,
}

impl Given {
    /// With this process's variables.
    pub fn here(flags: BTreeMap<&'static str, String>, file: Option<ConfigurationFile>) -> Self {
        let ours = SETTINGS.iter().map(|setting| setting.variable());
        let variables = ours.filter_map(|name| Some((name.clone(), std::env::var(&name).ok()?))).collect();
        Self { flags, variables, file }
    }
}

/// Who has said what holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    Flag,
    Variable(String),
    File(PathBuf),
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => f.write_str("flag"),
            Self::Variable(name) => f.write_str(name),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

/// A setting as it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Effective {
    pub name: &'static str,
    /// As text; `None`: not set, and without a default.
    pub value: Option<String>,
    pub source: Source,
    #[serde(skip)]
    pub if_nothing: &'static str,
}

/// Something that can't be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault(pub(crate) String);

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// All that can't be used; never empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct Faults(pub Vec<Fault>);

pub(crate) struct Reader<'a> {
    given: &'a Given,
    effective: Vec<Effective>,
    faults: Vec<Fault>,
}

impl Reader<'_> {
    fn find(&self, name: &'static str) -> Effective {
        let setting = SETTINGS.iter().find(|setting| setting.name == name).expect("every field has its row");
        let found = |value: &String, source| Effective { name, value: Some(value.clone()), source, if_nothing: "" };
        if let Some(value) = self.given.flags.get(name) {
            return found(value, Source::Flag);
        }
        let variable = setting.variable();
        if let Some(value) = self.given.variables.get(&variable) {
            return found(value, Source::Variable(variable));
        }
        if let Some(file) = &self.given.file
            && let Some(value) = file.values.get(name)
        {
            return found(value, Source::File(file.path.clone()));
        }
        let (value, if_nothing) = match setting.fallback {
            Fallback::Text(text) => (Some(text.to_owned()), ""),
            Fallback::Computed(compute, _) => (Some(compute()), ""),
            Fallback::Nothing(meaning) => (None, meaning),
        };
        Effective { name, value, source: Source::Default, if_nothing }
    }

    /// The value of a setting; `None` if it is wrong, which is noted.
    pub(crate) fn take<T: Value>(&mut self, name: &'static str) -> Option<T> {
        let effective = self.find(name);
        let value = match &effective.value {
            None => T::absent(),
            Some(text) => match T::parse(text) {
                Ok(value) => Some(value),
                Err(wrong) => {
                    self.faults.push(Fault(format!("{name} ({}): `{text}` {wrong}", effective.source)));
                    None
                }
            },
        };
        self.effective.push(effective);
        value
    }
}

/// The configuration that holds, with the source of each setting.
pub fn read(given: &Given) -> Result<(Configuration, Vec<Effective>), Faults> {
    let mut reader = Reader { given, effective: Vec::new(), faults: Vec::new() };
    let configuration = Configuration::take(&mut reader);
    if let Some(configuration) = &configuration {
        reader.faults.extend(configuration.faults());
    }
    match configuration {
        Some(configuration) if reader.faults.is_empty() => Ok((configuration, reader.effective)),
        _ => Err(Faults(reader.faults)),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn given(flag: Option<&str>, variable: Option<&str>, file: Option<&str>) -> Given {
        Given {
            flags: flag.map(|text| ("concurrent_builds", text.to_owned())).into_iter().collect(),
            variables: variable
                .map(|text| ("RENGA_CONCURRENT_BUILDS".to_owned(), text.to_owned()))
                .into_iter()
                .collect(),
            file: file.map(|text| ConfigurationFile {
                path: "/etc/x.toml".into(),
                values: [("concurrent_builds".to_owned(), text.to_owned())].into(),
            }),
        }
    }

    fn found(given: &Given) -> (usize, Source) {
        let (configuration, effective) = read(given).unwrap();
        let source = effective.into_iter().find(|one| one.name == "concurrent_builds").unwrap().source;
        (configuration.concurrent_builds, source)
    }

    #[test]
    fn a_flag_wins_over_a_variable_that_over_the_file_and_that_over_the_default() {
        assert_eq!(found(&given(Some("5"), Some("6"), Some("7"))), (5, Source::Flag));
        let variable = Source::Variable("RENGA_CONCURRENT_BUILDS".to_owned());
        assert_eq!(found(&given(None, Some("6"), Some("7"))), (6, variable));
        assert_eq!(found(&given(None, None, Some("7"))), (7, Source::File(Path::new("/etc/x.toml").to_owned())));
        assert_eq!(found(&given(None, None, None)), (2, Source::Default));
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once_with_where_it_was_said() {
        let mut given = given(None, Some("many"), None);
        given.flags.insert("slug_size", "big".to_owned());
        let told = read(&given).unwrap_err().to_string();
        assert!(told.contains("concurrent_builds (RENGA_CONCURRENT_BUILDS): `many` is not a number"), "{told}");
        assert!(told.contains("slug_size (flag): `big` is not a size"), "{told}");
    }

    #[test]
    fn every_default_is_good() {
        let (_, effective) = read(&Given::default()).unwrap();
        assert_eq!(effective.len(), SETTINGS.len());
    }
}
