//! Which certificate a TLS client gets.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::{CertifiedKey, SigningKey};

use crate::authority::{Authority, CERTIFICATE_FILE, CertificateError};
use crate::{Names, OwnCertificate};

/// The platform's certificate and those of apps' names, from the local
/// authority unless the operator has one that is good for the name. They live in memory only and are made again at each start, and
/// when less than 30 days are left; the authority itself stays.
pub struct Certificates {
    authority: Authority,
    authority_path: PathBuf,
    own: Option<OwnCertificate>,
    key: KeyPair,
    signing_key: Arc<dyn SigningKey>,
    names: Arc<Names>,
    is_app: IsApp,
    issued: Mutex<HashMap<Subject, Issued>>,
}

/// Whether an app answers to this host name (in lower case).
type IsApp = Box<dyn Fn(&str) -> bool + Send + Sync>;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Subject {
    Platform,
    /// The platform, reached at an address that its certificate lacks.
    PlatformAt(IpAddr),
    Name(String),
}

#[derive(Clone)]
struct Issued {
    certified: Arc<CertifiedKey>,
    renew_at: Timestamp,
}

/// Certificates kept in memory; beyond it any one is thrown away.
const CACHED: usize = 4096;
const RENEW_BEFORE_END: SignedDuration = SignedDuration::from_hours(30 * 24);

impl Certificates {
    /// Opens the authority in `dir` (`ca.pem`, and `ca.key` with mode 0600),
    /// or makes it at the first start. `is_app` tells for which names beside
    /// the platform's a certificate may be made.
    pub fn open_or_create(
        dir: &Path,
        names: Arc<Names>,
        is_app: impl Fn(&str) -> bool + Send + Sync + 'static,
    ) -> Result<Self, CertificateError> {
        let authority = Authority::open_or_create(dir)?;
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let certificates = Self {
            authority,
            authority_path: dir.join(CERTIFICATE_FILE),
            own: None,
            signing_key: ring::sign::any_ecdsa_type(&der)?,
            key,
            names,
            is_app: Box::new(is_app),
            issued: Mutex::default(),
        };
        // At once, so that a name that fits no certificate stops the start.
        certificates.of(Subject::Platform)?;
        Ok(certificates)
    }

    /// Where the operator's certificate is good for a name, it is used.
    #[must_use]
    pub fn with_own(self, own: Option<OwnCertificate>) -> Self {
        Self { own, ..self }
    }

    /// The authority's certificate: what clients are told to trust.
    pub fn authority_path(&self) -> &Path {
        &self.authority_path
    }

    /// TLS 1.2 and 1.3, HTTP/1.1, a certificate for whom the client asks, and
    /// the platform's if it does not say.
    pub(crate) fn server_config(self: &Arc<Self>) -> Result<Arc<ServerConfig>, CertificateError> {
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(self.clone());
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    /// For a client that names no host and came by this address of ours.
    pub(crate) fn for_address(&self, reached: IpAddr) -> Result<Arc<CertifiedKey>, CertificateError> {
        let reached = reached.to_canonical();
        let known = self.names.certified().contains(&reached.to_string());
        self.of(if known { Subject::Platform } else { Subject::PlatformAt(reached) })
    }

    fn for_name(&self, name: &str) -> Result<Arc<CertifiedKey>, CertificateError> {
        let name = name.to_ascii_lowercase();
        if let Some(own) = self.own.as_ref().and_then(|own| own.for_name(&name)) {
            return Ok(own);
        }
        let is_app = || self.names.may_be_app(&name) || (self.is_app)(&name);
        // OpenSSL takes no `*.localhost`, so each app has one of its own.
        if !self.names.is_platform_name(&name) && is_app() {
            return self.of(Subject::Name(name));
        }
        self.of(Subject::Platform)
    }

    fn of(&self, subject: Subject) -> Result<Arc<CertifiedKey>, CertificateError> {
        let mut issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = issued.get(&subject)
            && known.renew_at > Timestamp::now()
        {
            return Ok(known.certified.clone());
        }
        let new = self.issue(&subject)?;
        if issued.len() >= CACHED
            && let Some(any) = issued.keys().next().cloned()
        {
            issued.remove(&any);
        }
        issued.insert(subject, new.clone());
        Ok(new.certified)
    }

    fn issue(&self, subject: &Subject) -> Result<Issued, CertificateError> {
        let mut names = match subject {
            Subject::Platform | Subject::PlatformAt(_) => self.names.certified(),
            Subject::Name(name) => vec![name.clone()],
        };
        if let Subject::PlatformAt(address) = subject {
            names.push(address.to_string());
        }
        let (certificate, end) = self.authority.issue(names, &self.key)?;
        Ok(Issued {
            certified: Arc::new(CertifiedKey::new(vec![certificate], self.signing_key.clone())),
            renew_at: end - RENEW_BEFORE_END,
        })
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let certified = match hello.server_name() {
            Some(name) => self.for_name(name),
            None => self.of(Subject::Platform),
        };
        certified.inspect_err(|error| tracing::error!(%error, "a TLS client gets no certificate")).ok()
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates").field("authority_path", &self.authority_path).finish_non_exhaustive()
    }
}

/// One certificate for whoever asks.
#[derive(Debug)]
pub(crate) struct Fixed(pub(crate) Arc<CertifiedKey>);

impl ResolvesServerCert for Fixed {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }
}
