//! An address to fetch from: http or https, perhaps with name and password.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use http::Uri;

/// A URL without fragment. Its text shows no password.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Url {
    uri: Uri,
    /// `name:password`, as they stand in the URL.
    credentials: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this is not a URL that can be fetched: it must begin with https:// or http:// and name a host")]
pub struct InvalidUrl;

impl Url {
    pub fn uri(&self) -> &Uri {
        &self.uri
    }

    pub fn host(&self) -> &str {
        self.uri.host().unwrap_or_default()
    }

    /// The path with `suffix` at its end, and `query` in place of the query.
    pub fn join(&self, suffix: &str, query: Option<&str>) -> Result<Self, InvalidUrl> {
        let query = query.map(|query| format!("?{query}")).unwrap_or_default();
        let path = format!("{}{suffix}{query}", self.uri.path().trim_end_matches('/'));
        Ok(Self { uri: with_path(&self.uri, &path)?, credentials: self.credentials.clone() })
    }

    /// The same credentials at another place of the same host; none elsewhere.
    pub fn moved_to(&self, uri: &Uri) -> Self {
        let same = self.uri.host() == uri.host();
        Self { uri: uri.clone(), credentials: self.credentials.clone().filter(|_| same) }
    }

    /// The value of an `Authorization` header.
    pub(crate) fn authorization(&self) -> Option<String> {
        let decoded = percent_decoded(self.credentials.as_ref()?);
        Some(format!("Basic {}", base64::prelude::BASE64_STANDARD.encode(decoded)))
    }
}

fn with_path(uri: &Uri, path: &str) -> Result<Uri, InvalidUrl> {
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(path.parse().map_err(|_| InvalidUrl)?);
    Uri::from_parts(parts).map_err(|_| InvalidUrl)
}

impl FromStr for Url {
    type Err = InvalidUrl;

    fn from_str(text: &str) -> Result<Self, InvalidUrl> {
        let text = text.split_once('#').map_or(text, |(before, _)| before);
        let (scheme, rest) = text.split_once("://").ok_or(InvalidUrl)?;
        if !matches!(scheme, "http" | "https") {
            return Err(InvalidUrl);
        }
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let (credentials, host) = match authority.rsplit_once('@') {
            Some((credentials, host)) => (Some(credentials.to_owned()), host),
            None => (None, authority),
        };
        // A user alone is a token, with no password after it.
        let credentials = credentials.map(|text| if text.contains(':') { text } else { format!("{text}:") });
        let uri: Uri = format!("{scheme}://{host}{path}").parse().map_err(|_| InvalidUrl)?;
        if uri.host().is_none_or(str::is_empty) {
            return Err(InvalidUrl);
        }
        Ok(Self { uri, credentials })
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.uri.to_string();
        match (&self.credentials, text.split_once("://")) {
            (Some(credentials), Some((scheme, rest))) => {
                let user = credentials.split(':').next().unwrap_or_default();
                write!(f, "{scheme}://{user}:*****@{rest}")
            }
            _ => f.write_str(&text),
        }
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Url({self})")
    }
}

fn percent_decoded(text: &str) -> Vec<u8> {
    let mut rest = text.as_bytes();
    let mut decoded = Vec::with_capacity(rest.len());
    while let Some((byte, after)) = rest.split_first() {
        let hex = (*byte == b'%').then(|| after.get(..2)).flatten();
        let code = hex.and_then(|hex| u8::from_str_radix(str::from_utf8(hex).ok()?, 16).ok());
        decoded.push(code.unwrap_or(*byte));
        rest = if code.is_some() { &after[2..] } else { after };
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_sent_and_not_shown() {
        let url: Url = "https://me:p%40ss@host:8443/a/b.git#main".parse().unwrap();
        assert_eq!(
            format!("{url} {url:?}"),
            "https://me:*****@host:8443/a/b.git Url(https://me:*****@host:8443/a/b.git)"
        );
        assert_eq!(url.authorization().unwrap(), "Basic bWU6cEBzcw==");
        let token: Url = "https://token@host/x".parse().unwrap();
        assert_eq!(token.to_string(), "https://token:*****@host/x");
        assert_eq!(token.authorization().unwrap(), "Basic dG9rZW46");
        let elsewhere = url.moved_to(&"https://other/x".parse().unwrap());
        assert_eq!(elsewhere.authorization(), None);
    }

    #[test]
    fn paths_are_joined_before_the_query() {
        let url: Url = "http://host/a.git/?x=1".parse().unwrap();
        let joined = url.join("/info/refs", Some("service=git-upload-pack")).unwrap();
        assert_eq!(joined.to_string(), "http://host/a.git/info/refs?service=git-upload-pack");
    }

    #[test]
    fn other_schemes_and_nameless_hosts_are_no_urls() {
        for bad in [
            "",
            "host/x",
            "git@host:x.git",
            "ssh://host/x",
            "file:///etc/passwd",
            "http://",
            "https:///x",
            "http://a b/",
        ] {
            assert!(bad.parse::<Url>().is_err(), "{bad}");
        }
    }
}
