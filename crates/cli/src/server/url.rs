//! The address of a server.

use std::fmt;
use std::str::FromStr;

/// `https://host` or `https://host:port`, nothing behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerUrl {
    host: String,
    port: u16,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum InvalidServerUrl {
    #[error("`{0}` is plain HTTP: use https://, which a server speaks on the same port")]
    Plain(String),
    #[error("`{0}` is not a server's address: write it as https://renga.example.com or https://localhost:5000")]
    Malformed(String),
}

impl ServerUrl {
    /// Without the port. An IPv6 address is in brackets.
    pub(crate) fn hostname(&self) -> &str {
        &self.host
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// What git and the CLI call the host: with its port, unless it is 443.
    pub(crate) fn host(&self) -> String {
        if self.port == 443 { self.host.clone() } else { format!("{}:{}", self.host, self.port) }
    }

    /// Whether it is this machine by one of the two names that the official CLI
    /// takes for it.
    pub(crate) fn is_loopback(&self) -> bool {
        matches!(self.host.as_str(), "localhost" | "127.0.0.1")
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "https://{}", self.host())
    }
}

impl FromStr for ServerUrl {
    type Err = InvalidServerUrl;

    fn from_str(text: &str) -> Result<Self, InvalidServerUrl> {
        let malformed = || InvalidServerUrl::Malformed(text.to_owned());
        let authority = match text.split_once("://") {
            Some(("https", rest)) => rest,
            Some(("http", _)) => return Err(InvalidServerUrl::Plain(text.to_owned())),
            Some(_) => return Err(malformed()),
            None => text,
        };
        let authority = authority.trim_end_matches('/');
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().map_err(|_| malformed())?),
            _ => (authority, 443),
        };
        let is_bracketed = host.starts_with('[') && host.ends_with(']');
        let inside = if is_bracketed { &host[1..host.len() - 1] } else { host };
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        let is_valid = match is_bracketed {
            true => inside.parse::<std::net::Ipv6Addr>().is_ok(),
            false => !inside.is_empty() && inside.bytes().all(fits),
        };
        if !is_valid || port == 0 {
            return Err(malformed());
        }
        Ok(Self { host: host.to_ascii_lowercase(), port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> ServerUrl {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_is_a_name_and_a_port() {
        assert_eq!(url("https://Localhost:5000/").to_string(), "https://localhost:5000");
        assert_eq!(url("https://localhost:5000").hostname(), "localhost");
        assert_eq!(url("renga.example.com").to_string(), "https://renga.example.com");
        assert_eq!(url("https://renga.example.com:443").host(), "renga.example.com");
        assert_eq!((url("https://[::1]:5000").hostname(), url("https://[::1]").port()), ("[::1]", 443));
        assert!(url("https://127.0.0.1:1").is_loopback() && !url("https://renga.example.com").is_loopback());
    }

    #[test]
    fn what_is_no_address_is_refused_with_an_example() {
        for bad in ["", "https://", "ftp://x", "https://a/b", "https://a:b", "https://user@host", "https://a:0", "a b"]
        {
            let error = bad.parse::<ServerUrl>().unwrap_err().to_string();
            assert!(error.contains("https://renga.example.com"), "{bad}: {error}");
        }
        assert!("http://localhost:5000".parse::<ServerUrl>().unwrap_err().to_string().contains("use https://"));
    }
}
