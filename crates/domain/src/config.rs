//! Config vars: what an app reads from its environment.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::names::text_type;

/// The name of a config var: any text without `=`, NUL or blanks, 1 to 255
/// bytes. Names such as `PATH` are legal; they reach the app's process only.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConfigKey(String);
text_type!(ConfigKey);

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidConfig {
    #[error("`{0}` is not a config var name: use 1 to 255 bytes without `=`, blanks or control characters")]
    Key(String),
    #[error("The value of `{0}` holds a NUL byte, which no process environment can carry")]
    Nul(String),
    #[error("All config vars together hold {found} bytes, more than the limit of {limit}")]
    TooLarge { found: usize, limit: usize },
}

impl FromStr for ConfigKey {
    type Err = InvalidConfig;

    fn from_str(text: &str) -> Result<Self, InvalidConfig> {
        let plain = !text.chars().any(|char| char == '=' || char.is_whitespace() || char.is_control());
        if (1..=255).contains(&text.len()) && plain {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidConfig::Key(text.chars().take(80).collect()))
        }
    }
}

/// All config vars of an app at one moment. `Debug` shows the names only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ConfigVars(BTreeMap<ConfigKey, String>);

impl ConfigVars {
    /// All names and values together, in bytes (Heroku's documented 64 KB,
    /// doubled so that no app that fits there fails here).
    pub const LIMIT_BYTES: usize = 128 * 1024;

    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| name.as_str() == key).map(|(_, value)| value.as_str())
    }

    pub fn iter(&self) -> impl Iterator<Item = (&ConfigKey, &str)> {
        self.0.iter().map(|(key, value)| (key, value.as_str()))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The vars after `changes`: a value sets, `None` removes. Either all
    /// changes hold or none.
    pub fn with(&self, changes: &BTreeMap<ConfigKey, Option<String>>) -> Result<Self, InvalidConfig> {
        let mut vars = self.0.clone();
        for (key, value) in changes {
            match value {
                Some(value) if value.contains('\0') => return Err(InvalidConfig::Nul(key.to_string())),
                Some(value) => vars.insert(key.clone(), value.clone()),
                None => vars.remove(key),
            };
        }
        let found = vars.iter().map(|(key, value)| key.as_str().len() + value.len()).sum();
        if found > Self::LIMIT_BYTES {
            return Err(InvalidConfig::TooLarge { found, limit: Self::LIMIT_BYTES });
        }
        Ok(Self(vars))
    }
}

impl FromIterator<(ConfigKey, String)> for ConfigVars {
    fn from_iter<I: IntoIterator<Item = (ConfigKey, String)>>(vars: I) -> Self {
        Self(vars.into_iter().collect())
    }
}

impl fmt::Debug for ConfigVars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(key: &str, value: Option<&str>) -> BTreeMap<ConfigKey, Option<String>> {
        BTreeMap::from([(key.parse().unwrap(), value.map(str::to_owned))])
    }

    #[test]
    fn a_change_sets_and_removes_and_leaves_the_rest() {
        let vars = ConfigVars::default().with(&change("A", Some("1"))).unwrap();
        let vars = vars.with(&change("B", Some("2"))).unwrap().with(&change("A", None)).unwrap();
        assert_eq!(vars.iter().map(|(key, value)| (key.as_str(), value)).collect::<Vec<_>>(), [("B", "2")]);
    }

    #[test]
    fn nul_and_too_much_are_refused() {
        let empty = ConfigVars::default();
        assert!(matches!(empty.with(&change("A", Some("a\0b"))), Err(InvalidConfig::Nul(_))));
        let huge = "x".repeat(ConfigVars::LIMIT_BYTES + 1);
        assert!(matches!(empty.with(&change("A", Some(&huge))), Err(InvalidConfig::TooLarge { .. })));
    }

    #[test]
    fn values_do_not_show_in_debug() {
        let vars = ConfigVars::default().with(&change("TOKEN", Some("hush"))).unwrap();
        assert_eq!(format!("{vars:?}"), r#"{ConfigKey("TOKEN")}"#);
    }
}
