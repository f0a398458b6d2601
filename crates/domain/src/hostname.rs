//! Host names that apps answer to.

use std::fmt;
use std::str::FromStr;

use crate::names::text_type;

/// A custom domain's host name in lower case, possibly with `*.` in front:
/// labels of 1 to 63 letters, digits and `-`, at most 253 bytes (RFC 1035).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hostname(String);
text_type!(Hostname);

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a host name: use labels of letters, digits and `-`, joined by dots, such as www.example.com or *.example.com"
)]
pub struct InvalidHostname(String);

impl Hostname {
    /// What follows `*.`, if the name stands for all names one label below.
    pub fn wildcard_of(&self) -> Option<&str> {
        self.0.strip_prefix("*.")
    }
}

impl FromStr for Hostname {
    type Err = InvalidHostname;

    fn from_str(text: &str) -> Result<Self, InvalidHostname> {
        let name = text.to_ascii_lowercase();
        let name = name.strip_suffix('.').unwrap_or(&name);
        let labels = name.strip_prefix("*.").unwrap_or(name);
        let label_fits = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        let is_address = labels.split('.').all(|label| label.bytes().all(|byte| byte.is_ascii_digit()));
        if name.len() > 253 || !labels.contains('.') || is_address || !labels.split('.').all(label_fits) {
            return Err(InvalidHostname(text.chars().take(80).collect()));
        }
        Ok(Self(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_names_are_lowered_and_checked() {
        assert_eq!("WWW.Example.com.".parse::<Hostname>().unwrap().as_str(), "www.example.com");
        assert_eq!("*.example.com".parse::<Hostname>().unwrap().wildcard_of(), Some("example.com"));
        for bad in ["", "localhost", "a..b", "-a.b", "a-.b", "a_b.c", "1.2.3.4", "*.com.*", "ex ample.com", "*"] {
            assert!(bad.parse::<Hostname>().is_err(), "{bad}");
        }
    }
}
