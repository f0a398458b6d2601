//! The client: one agent with bounds.

use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ureq::http::{HeaderMap, Uri};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::DefaultConnector;
use ureq::{Proxy, ResponseExt};

use crate::address::PublicOnly;
use crate::error::FetchError;
use crate::url::Url;

/// Where Debian and its like keep the certificates that the machine trusts.
const CA_BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";
const USER_AGENT: &str = concat!("git/renga-", env!("CARGO_PKG_VERSION"));
const MOST_REDIRECTS: u32 = 5;
/// What fails within this time was refused, and has not been waited for.
const AT_ONCE: Duration = Duration::from_secs(1);

#[derive(Debug, Clone)]
pub struct Settings {
    /// Whether this machine and its neighbours may be fetched from.
    pub allow_private: bool,
    /// Until a host has taken the connection.
    pub connect: Duration,
    /// One try, from its first byte to its last.
    pub whole: Duration,
    pub tries: u32,
}

impl Default for Settings {
    /// Heroku's numbers for buildpacks: 90 s and three tries.
    fn default() -> Self {
        Self { allow_private: false, connect: Duration::from_secs(5), whole: Duration::from_secs(90), tries: 3 }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("could not read the certificates in `{path}`")]
pub struct OpenError {
    path: String,
    source: io::Error,
}

/// Cheap to clone.
#[derive(Debug, Clone)]
pub struct Fetcher {
    agent: ureq::Agent,
    settings: Settings,
}

/// The head of an answer, and its body still to be read.
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    /// Where redirects have led.
    pub uri: Uri,
    host: String,
    whole: Duration,
    body: ureq::BodyReader<'static>,
}

impl Fetcher {
    /// Trusts what the machine trusts (`SSL_CERT_FILE` or the system's bundle)
    /// and goes through the proxy of the environment if there is one.
    pub fn new(settings: Settings) -> Result<Self, OpenError> {
        let tls = TlsConfig::builder()
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .root_certs(RootCerts::new_with_certs(&certificates()?))
            .build();
        let config = ureq::Agent::config_builder()
            .tls_config(tls)
            .proxy(Proxy::try_from_env())
            .user_agent(USER_AGENT)
            .timeout_resolve(Some(settings.connect))
            .timeout_connect(Some(settings.connect))
            .timeout_global(Some(settings.whole))
            .max_redirects(MOST_REDIRECTS)
            .http_status_as_error(false)
            .build();
        let connector = DefaultConnector::default();
        let agent = match settings.allow_private {
            true => ureq::Agent::with_parts(config, connector, DefaultResolver::default()),
            false => ureq::Agent::with_parts(config, connector, PublicOnly(DefaultResolver::default())),
        };
        Ok(Self { agent, settings })
    }

    /// One try. Any status is an answer.
    pub fn get(&self, url: &Url, headers: &[(&str, &str)]) -> Result<Answer, FetchError> {
        let mut request = self.agent.get(url.uri().clone());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(authorization) = url.authorization() {
            request = request.header("Authorization", authorization);
        }
        self.answer(url, request.call())
    }

    /// The same with a body.
    pub fn post(&self, url: &Url, headers: &[(&str, &str)], body: &[u8]) -> Result<Answer, FetchError> {
        let mut request = self.agent.post(url.uri().clone());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(authorization) = url.authorization() {
            request = request.header("Authorization", authorization);
        }
        self.answer(url, request.send(body))
    }

    fn answer(
        &self,
        url: &Url,
        result: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> Result<Answer, FetchError> {
        let whole = self.settings.whole;
        let response = result.map_err(|error| FetchError::of(error, url.host(), whole))?;
        let uri = response.get_uri().clone();
        let host = uri.host().unwrap_or(url.host()).to_owned();
        let (head, body) = response.into_parts();
        let body = body.into_reader();
        Ok(Answer { status: head.status.as_u16(), headers: head.headers, uri, host, whole, body })
    }

    /// Does `once` until it succeeds or fails for good, at most as often as the
    /// settings say. A host that can't be reached at all is asked no more than
    /// twice, and only if that was found out at once.
    pub fn retry<T, E: Failure>(
        &self,
        stop: &dyn Fn() -> bool,
        mut once: impl FnMut() -> Result<T, E>,
    ) -> Result<T, E> {
        let began = Instant::now();
        for tried in 1.. {
            let error = match once() {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            let Some(reason) = error.of_fetch().filter(|reason| reason.is_passing()) else { return Err(error) };
            let is_hopeless =
                matches!(reason, FetchError::Unreachable { .. }) && (tried > 1 || began.elapsed() >= AT_ONCE);
            if is_hopeless || tried >= self.settings.tries || stop() {
                return Err(error);
            }
            tracing::info!(error = %reason, tried, "A fetch is tried again");
            std::thread::sleep(pause(tried));
        }
        Err(FetchError::Stopped.into())
    }
}

/// The error of something that fetches.
pub trait Failure: From<FetchError> {
    /// The reason, if it is one of fetching.
    fn of_fetch(&self) -> Option<&FetchError>;
}

impl Failure for FetchError {
    fn of_fetch(&self) -> Option<&FetchError> {
        Some(self)
    }
}

/// Longer each time, and not the same for all who wait.
fn pause(tried: u32) -> Duration {
    use std::hash::{BuildHasher, RandomState};
    let jitter = RandomState::new().hash_one(tried) % 250;
    Duration::from_millis(250 * u64::from(tried) + jitter)
}

impl Answer {
    /// An error unless the status is 200.
    pub fn ok(self) -> Result<Self, FetchError> {
        if self.status == 200 { Ok(self) } else { Err(FetchError::Status { host: self.host, status: self.status }) }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Writes the body to `to`; gives up beyond `limit_bytes`, and when told to.
    pub fn copy(mut self, to: &mut dyn Write, limit_bytes: u64, stop: &dyn Fn() -> bool) -> Result<u64, FetchError> {
        let mut buffer = vec![0; 64 * 1024];
        let mut size_bytes = 0;
        loop {
            let read = self.read(&mut buffer)?;
            if read == 0 {
                return Ok(size_bytes);
            }
            size_bytes += read as u64;
            if size_bytes > limit_bytes {
                return Err(FetchError::TooLarge { host: self.host, limit_bytes });
            }
            if stop() {
                return Err(FetchError::Stopped);
            }
            to.write_all(&buffer[..read]).map_err(FetchError::Write)?;
        }
    }

    /// The next bytes of the body; none at its end.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize, FetchError> {
        self.body.read(buffer).map_err(|error| FetchError::of_io(error, &self.host, self.whole))
    }

    /// Fills the buffer; an error if the body ends before.
    pub fn read_exact(&mut self, mut buffer: &mut [u8]) -> Result<(), FetchError> {
        while !buffer.is_empty() {
            match self.read(buffer)? {
                0 => return Err(self.unexpected("it ended early")),
                read => buffer = &mut buffer[read..],
            }
        }
        Ok(())
    }

    pub fn unexpected(&self, why: &str) -> FetchError {
        FetchError::Unexpected { host: self.host.clone(), why: why.to_owned() }
    }

    pub fn too_large(&self, limit_bytes: u64) -> FetchError {
        FetchError::TooLarge { host: self.host.clone(), limit_bytes }
    }
}

fn certificates() -> Result<Vec<Certificate<'static>>, OpenError> {
    let path = std::env::var("SSL_CERT_FILE").unwrap_or_else(|_| CA_BUNDLE.to_owned());
    let pem = match std::fs::read(Path::new(&path)) {
        Ok(pem) => pem,
        // Then no https host is trusted, and each fetch says so.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(source) => return Err(OpenError { path, source }),
    };
    // Entries that can't be read are others' business: the rest counts.
    let readable = parse_pem(&pem).filter_map(Result::ok);
    Ok(readable
        .filter_map(|item| match item {
            PemItem::Certificate(certificate) => Some(certificate),
            _ => None,
        })
        .collect())
}
