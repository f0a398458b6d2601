//! Which host a request is for.

use std::net::{IpAddr, Ipv6Addr};

use http::header::HOST;
use http::{HeaderMap, Uri};

use crate::Refused;

/// The name or address in `Host`, in lower case, without port, brackets and
/// trailing dot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host(String);

impl Host {
    /// Reads the one `Host` line. A target in absolute form must name the
    /// same host.
    pub fn of<B>(request: &http::Request<B>) -> Result<Self, Refused> {
        Self::read(request.headers(), request.uri())
    }

    fn read(headers: &HeaderMap, uri: &Uri) -> Result<Self, Refused> {
        let mut lines = headers.get_all(HOST).iter();
        let line = lines.next().ok_or(Refused::NoHost)?;
        if lines.next().is_some() {
            return Err(Refused::TwoHosts);
        }
        let (host, port) = parse(line.to_str().map_err(|_| Refused::MalformedHost)?)?;
        if let Some(authority) = uri.authority()
            && parse(authority.as_str())? != (host.clone(), port)
        {
            return Err(Refused::OtherHost);
        }
        Ok(host)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn address(&self) -> Option<IpAddr> {
        self.0.parse().ok()
    }
}

fn parse(text: &str) -> Result<(Host, Option<u16>), Refused> {
    let (name, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']').ok_or(Refused::MalformedHost)?;
            address.parse::<Ipv6Addr>().map_err(|_| Refused::MalformedHost)?;
            (address, if port.is_empty() { None } else { Some(port.strip_prefix(':').ok_or(Refused::MalformedHost)?) })
        }
        None => {
            let (name, port) = text.split_once(':').map_or((text, None), |(name, port)| (name, Some(port)));
            let name = name.strip_suffix('.').unwrap_or(name);
            let fits = (1..=253).contains(&name.len())
                && !name.starts_with('.')
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
            if !fits {
                return Err(Refused::MalformedHost);
            }
            (name, port)
        }
    };
    let port = match port {
        None | Some("") => None,
        Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(port.parse().map_err(|_| Refused::MalformedHost)?)
        }
        Some(_) => return Err(Refused::MalformedHost),
    };
    Ok((Host(name.to_ascii_lowercase()), port))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(hosts: &[&str], target: &str) -> Result<String, Refused> {
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(HOST, HeaderValue::from_str(host).unwrap());
        }
        Host::read(&headers, &target.parse().unwrap()).map(|host| host.0)
    }

    #[test]
    fn case_port_brackets_and_a_trailing_dot_do_not_matter() {
        for (given, name) in [
            ("App.Localhost:5000", "app.localhost"),
            ("example.com.", "example.com"),
            ("a_b.example.com:", "a_b.example.com"),
            ("[::1]:5000", "::1"),
            ("127.0.0.1", "127.0.0.1"),
        ] {
            assert_eq!(read(&[given], "/").as_deref(), Ok(name), "{given}");
        }
    }

    #[test]
    fn there_must_be_exactly_one_well_formed_host() {
        assert_eq!(read(&[], "/"), Err(Refused::NoHost));
        assert_eq!(read(&["a.b", "a.b"], "/"), Err(Refused::TwoHosts));
        for bad in
            ["", "a b", "a@b", "a/b", "a:b", "a:1:2", "::1", "[::1", "[x]", "[::1]x", "a:99999", "a\"b", ".a", "a:+1"]
        {
            assert_eq!(read(&[bad], "/"), Err(Refused::MalformedHost), "{bad}");
        }
    }

    #[test]
    fn an_absolute_target_must_agree_with_host() {
        assert_eq!(read(&["a.b:80"], "http://A.b:80/x").as_deref(), Ok("a.b"));
        assert_eq!(read(&["a.b"], "http://c.d/x"), Err(Refused::OtherHost));
        assert_eq!(read(&["a.b:1"], "http://a.b:2/x"), Err(Refused::OtherHost));
    }
}
