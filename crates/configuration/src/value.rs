//! The types of settings: each is read from text and written as text.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use domain::Hostname;
use stack::Stack;

/// What a setting can be. An error's text follows "`value` ".
pub(crate) trait Value: Sized {
    const IS_LIST: bool = false;

    fn parse(text: &str) -> Result<Self, String>;

    /// What it is if nobody sets it and it has no default.
    fn absent() -> Option<Self> {
        None
    }
}

impl<T: Value> Value for Option<T> {
    /// Empty text unsets what a source of less weight has set.
    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() { Ok(None) } else { T::parse(text).map(Some) }
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}

impl Value for String {
    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() { Err("says nothing".to_owned()) } else { Ok(text.to_owned()) }
    }
}

impl Value for PathBuf {
    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() { Err("is no path".to_owned()) } else { Ok(text.into()) }
    }
}

impl Value for bool {
    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| "is neither true nor false".to_owned())
    }
}

impl Value for usize {
    fn parse(text: &str) -> Result<Self, String> {
        text.parse().ok().filter(|number| *number > 0).ok_or_else(|| "is not a number above 0".to_owned())
    }
}

impl Value for Stack {
    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| "is not a stack: use debian-13 or host".to_owned())
    }
}

/// Where to listen; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses(pub Vec<SocketAddr>);

impl Value for Addresses {
    const IS_LIST: bool = true;

    fn parse(text: &str) -> Result<Self, String> {
        let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
        let parsed: Result<Vec<SocketAddr>, _> = words.map(str::parse).collect();
        match parsed {
            Ok(addresses) if !addresses.is_empty() => Ok(Self(addresses)),
            _ => Err("is not a list of addresses such as 127.0.0.1:5000, 0.0.0.0:443 or [::]:443".to_owned()),
        }
    }
}

/// A host name of the platform: `localhost`, or a name with a dot in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostName(String);

impl HostName {
    pub(crate) const LOCALHOST: &str = "localhost";

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn is_localhost(&self) -> bool {
        self.0 == Self::LOCALHOST
    }
}

impl FromStr for HostName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let name = text.to_ascii_lowercase();
        if name == Self::LOCALHOST {
            return Ok(Self(name));
        }
        let parsed = name.parse::<Hostname>().ok().filter(|name| name.wildcard_of().is_none());
        parsed.map(|name| Self(name.to_string())).ok_or_else(|| "is not a host name such as example.com".to_owned())
    }
}

impl Value for HostName {
    fn parse(text: &str) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An amount of memory or disk: `512MiB`, `2GB`, or plain bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bytes(pub u64);

impl Value for Bytes {
    fn parse(text: &str) -> Result<Self, String> {
        const UNITS: [(&str, u64); 9] = [
            ("KIB", 1 << 10),
            ("MIB", 1 << 20),
            ("GIB", 1 << 30),
            ("TIB", 1 << 40),
            ("KB", 1_000),
            ("MB", 1_000_000),
            ("GB", 1_000_000_000),
            ("TB", 1_000_000_000_000),
            ("B", 1),
        ];
        let upper = text.trim().to_ascii_uppercase();
        let (number, unit) = UNITS
            .iter()
            .find_map(|(name, bytes)| Some((upper.strip_suffix(name)?.trim_end(), *bytes)))
            .unwrap_or((&upper, 1));
        let bytes = number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit)).filter(|bytes| *bytes > 0);
        bytes.map(Self).ok_or_else(|| "is not a size such as 512MiB or 2GiB".to_owned())
    }
}

/// A length of time: `90s`, `15m`, `2h`, `30d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(pub Duration);

impl Value for Span {
    fn parse(text: &str) -> Result<Self, String> {
        const UNITS: [(&str, u64); 4] = [("s", 1), ("m", 60), ("h", 3600), ("d", 86_400)];
        let seconds = UNITS.iter().find_map(|(unit, seconds)| {
            text.trim().strip_suffix(unit)?.trim_end().parse::<u64>().ok()?.checked_mul(*seconds)
        });
        let span = seconds.filter(|seconds| *seconds > 0).map(|seconds| Self(Duration::from_secs(seconds)));
        span.ok_or_else(|| "is not a length of time such as 90s, 15m, 2h or 30d".to_owned())
    }
}

/// Names of variables, or `NAME=VALUE`, divided by commas. `None`: nobody has
/// said; an empty text stands for no variables at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variables(pub Option<String>);

impl Value for Variables {
    const IS_LIST: bool = true;

    fn parse(text: &str) -> Result<Self, String> {
        Ok(Self(Some(text.to_owned())))
    }

    fn absent() -> Option<Self> {
        Some(Self(None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_binary_and_decimal_units() {
        let bytes = |text| Bytes::parse(text).ok().map(|bytes| bytes.0);
        assert_eq!(bytes("512MiB"), Some(512 << 20));
        assert_eq!(bytes("2 gb"), Some(2_000_000_000));
        assert_eq!(bytes("77"), Some(77));
        assert_eq!(bytes("77B"), Some(77));
        for bad in ["", "GB", "0", "-1", "1.5GB", "1PB", "99999999999TB"] {
            assert_eq!(bytes(bad), None, "{bad}");
        }
    }

    #[test]
    fn times_need_a_unit() {
        let seconds = |text| Span::parse(text).ok().map(|span| span.0.as_secs());
        assert_eq!((seconds("90s"), seconds("15m"), seconds("30d")), (Some(90), Some(900), Some(2_592_000)));
        for bad in ["", "15", "m", "0s", "1w", "15ms", "-1s"] {
            assert_eq!(seconds(bad), None, "{bad}");
        }
    }

    #[test]
    fn names_are_host_names_without_wildcards() {
        let name = |text: &str| text.parse::<HostName>().ok().map(|name| name.to_string());
        assert_eq!(name("Example.COM").as_deref(), Some("example.com"));
        assert_eq!(name("localhost").as_deref(), Some("localhost"));
        for bad in ["", "*.example.com", "example", "1.2.3.4", "a b.c"] {
            assert_eq!(name(bad), None, "{bad}");
        }
    }

    #[test]
    fn addresses_are_one_or_more() {
        let count = |text| Addresses::parse(text).ok().map(|addresses| addresses.0.len());
        assert_eq!((count("0.0.0.0:80, [::]:443"), count("")), (Some(2), None));
        assert_eq!(count("localhost:80"), None);
    }
}
