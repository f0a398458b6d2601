//! Names that people give: apps, process types, e-mail addresses.

use std::fmt;
use std::str::FromStr;

macro_rules! text_type {
    ($name:ident) => {
        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use text_type;

/// The name of an app: 3 to 30 of `a-z`, `0-9`, `-`; starts with a letter,
/// does not end in `-` (Platform API schema, `app.name`). It is also the first
/// label of the app's own host name, so a few names are kept back.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AppName(String);
text_type!(AppName);

/// Host labels that the platform needs for itself.
const RESERVED_APP_NAMES: [&str; 8] = ["api", "git", "registry", "status", "www", "localhost", "dashboard", "renga"];

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAppName {
    #[error(
        "Name must start with a letter, end with a letter or digit and can only contain lowercase letters, digits, and dashes: `{0}` does not"
    )]
    Characters(String),
    #[error("Name is too short or too long (minimum is 3, maximum is 30 characters): `{0}`")]
    Length(String),
    #[error("Name `{0}` is reserved by the platform; choose another")]
    Reserved(String),
}

impl FromStr for AppName {
    type Err = InvalidAppName;

    fn from_str(text: &str) -> Result<Self, InvalidAppName> {
        let fits = text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
            && text.starts_with(|first: char| first.is_ascii_lowercase())
            && !text.ends_with('-');
        if !fits {
            return Err(InvalidAppName::Characters(text.chars().take(60).collect()));
        }
        if !(3..=30).contains(&text.len()) {
            return Err(InvalidAppName::Length(text.chars().take(60).collect()));
        }
        if RESERVED_APP_NAMES.contains(&text) {
            return Err(InvalidAppName::Reserved(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }
}

/// A process type: 1 to 63 of letters, digits, `_` and `-`, as the classic
/// Procfile allows (facts: Heroku's Procfile pattern; length as in the Cloud
/// Native Procfile).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProcessType(String);
text_type!(ProcessType);

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a process type: use 1 to 63 letters, digits, `_` and `-`")]
pub struct InvalidProcessType(String);

impl ProcessType {
    /// The one process type that receives HTTP.
    pub fn web() -> Self {
        Self("web".to_owned())
    }

    /// Runs once before a release goes live, and is never scaled.
    pub fn release() -> Self {
        Self("release".to_owned())
    }

    /// One-off dynos: `heroku run`.
    pub fn run() -> Self {
        Self("run".to_owned())
    }

    pub fn is_web(&self) -> bool {
        self.0 == "web"
    }

    /// Whether `ps:scale` may give it a quantity.
    pub fn is_scalable(&self) -> bool {
        self.0 != "release" && self.0 != "run"
    }
}

impl FromStr for ProcessType {
    type Err = InvalidProcessType;

    fn from_str(text: &str) -> Result<Self, InvalidProcessType> {
        let fits = (1..=63).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
        if fits { Ok(Self(text.to_owned())) } else { Err(InvalidProcessType(text.chars().take(80).collect())) }
    }
}

/// An e-mail address, kept in lower case. Only its shape is checked: one `@`
/// with something on both sides, no blanks, at most 254 bytes (RFC 5321).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Email(String);
text_type!(Email);

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an e-mail address")]
pub struct InvalidEmail(String);

impl FromStr for Email {
    type Err = InvalidEmail;

    fn from_str(text: &str) -> Result<Self, InvalidEmail> {
        let invalid = || InvalidEmail(text.chars().take(80).collect());
        let (user, host) = text.split_once('@').ok_or_else(invalid)?;
        let plain = text.len() <= 254 && !text.chars().any(|char| char.is_whitespace() || char.is_control());
        if user.is_empty() || host.is_empty() || host.contains('@') || !plain {
            return Err(invalid());
        }
        Ok(Self(text.to_lowercase()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn app_names_follow_the_rule() {
        for good in ["abc", "my-app-1", &"a".repeat(30)] {
            assert!(good.parse::<AppName>().is_ok(), "{good}");
        }
        for bad in ["", "ab", "1abc", "abc-", "Abc", "a_b", "a.b", "..", "-x", &"a".repeat(31), "xn--é", "api"] {
            assert!(bad.parse::<AppName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn process_types_keep_case_and_underscore() {
        assert_eq!("My_Worker-2".parse::<ProcessType>().unwrap().as_str(), "My_Worker-2");
        assert!("a b".parse::<ProcessType>().is_err());
        assert!("".parse::<ProcessType>().is_err());
    }

    #[test]
    fn emails_are_lowered_and_checked_for_shape() {
        assert_eq!("Me@Example.com".parse::<Email>().unwrap().as_str(), "me@example.com");
        for bad in ["me", "@x", "me@", "a@b@c", "a b@c"] {
            assert!(bad.parse::<Email>().is_err(), "{bad}");
        }
    }
}
