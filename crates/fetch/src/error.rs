//! What can go wrong with a fetch, in words for the one who named the URL.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use crate::address::PrivateAddress;

#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error("{host} can't be reached: {why}")]
    Unreachable { host: String, why: String },
    #[error("{host} did not answer to the end within {} s", after.as_secs())]
    TimedOut { host: String, after: Duration },
    #[error("{host} has the private address {address}, which this platform does not fetch from")]
    Private { host: String, address: IpAddr },
    #[error("{host} answered {status}{}", hint(*status))]
    Status { host: String, status: u16 },
    #[error("{host} sent more than the limit of {limit_bytes} bytes")]
    TooLarge { host: String, limit_bytes: u64 },
    #[error("the connection to {host} broke off: {why}")]
    Broken { host: String, why: String },
    #[error("what {host} answered was not understood: {why}")]
    Unexpected { host: String, why: String },
    #[error("the fetch was stopped")]
    Stopped,
    #[error("could not write what was fetched")]
    Write(#[source] io::Error),
}

impl FetchError {
    /// Whether the host may answer better at another time: an older copy of
    /// what it has may be used meanwhile.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::TimedOut { .. } | Self::Broken { .. } => true,
            Self::Status { status, .. } => *status >= 500 || *status == 429,
            _ => false,
        }
    }

    pub(crate) fn of(error: ureq::Error, host: &str, whole: Duration) -> Self {
        let host = host.to_owned();
        let unreachable = |why: &str| Self::Unreachable { host: host.clone(), why: why.to_owned() };
        match error {
            ureq::Error::Other(other) => match other.downcast_ref::<PrivateAddress>() {
                Some(private) => Self::Private { host, address: private.address },
                None => Self::Broken { host, why: other.to_string() },
            },
            ureq::Error::HostNotFound => unreachable("its name has no address"),
            ureq::Error::Timeout(ureq::Timeout::Resolve) => unreachable("its name was not resolved in time"),
            ureq::Error::Timeout(ureq::Timeout::Connect) => unreachable("it does not take the connection"),
            ureq::Error::Timeout(_) => Self::TimedOut { host, after: whole },
            ureq::Error::ConnectionFailed => unreachable("it does not take the connection"),
            ureq::Error::ConnectProxyFailed(why) => unreachable(&format!("the proxy says: {why}")),
            ureq::Error::Io(error) => Self::of_io(error, &host, whole),
            ureq::Error::Rustls(error) => unreachable(&tls_words(&error)),
            other => Self::Unexpected { host, why: other.to_string() },
        }
    }

    pub(crate) fn of_io(error: io::Error, host: &str, whole: Duration) -> Self {
        if let Some(error) = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>()) {
            return Self::Unreachable { host: host.to_owned(), why: tls_words(error) };
        }
        let why = error.to_string();
        let host = host.to_owned();
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::Unreachable { host, why: "it refuses the connection".to_owned() },
            io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => Self::Unreachable { host, why },
            io::ErrorKind::TimedOut => Self::TimedOut { host, after: whole },
            _ if why.contains("failed to lookup address") => {
                Self::Unreachable { host, why: "its name has no address here".to_owned() }
            }
            _ => match error.downcast::<ureq::Error>() {
                Ok(error) => Self::of(error, &host, whole),
                Err(_) => Self::Broken { host, why },
            },
        }
    }
}

/// Without the names that a certificate is good for, which may be many.
fn tls_words(error: &rustls::Error) -> String {
    let words = error.to_string();
    let words = words.split(';').next().unwrap_or_default();
    format!("no TLS connection can be made, {words}")
}

fn hint(status: u16) -> &'static str {
    match status {
        401 | 403 => ": it asks for a name and password, or there is no such thing",
        404 | 410 => ": there is no such thing",
        429 => ": too many requests",
        _ => "",
    }
}
