//! Whose certificates a connection takes: those of the server's own authority
//! alone, or those of the authorities that this system trusts.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// Where distributions keep the bundle of what they trust.
const SYSTEM_BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trust {
    /// The certificates in this PEM file, and no others.
    Authority(PathBuf),
    System,
}

/// The file with the system's trusted authorities.
pub(crate) fn system_bundle() -> Option<&'static Path> {
    SYSTEM_BUNDLES.into_iter().map(Path::new).find(|path| path.is_file())
}

impl Trust {
    fn certificates(&self) -> anyhow::Result<Vec<CertificateDer<'static>>> {
        let path = match self {
            Self::Authority(path) => path.as_path(),
            Self::System => system_bundle().context(
                "this system has no bundle of trusted authorities (package ca-certificates); name the server's own \
                 with --ca FILE",
            )?,
        };
        let pem = std::fs::read(path).with_context(|| format!("could not read `{}`", path.display()))?;
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
        let certificates = certificates.with_context(|| format!("`{}` is not in PEM form", path.display()))?;
        if certificates.is_empty() {
            bail!("`{}` holds no certificate", path.display());
        }
        Ok(certificates)
    }

    /// For requests over HTTP.
    pub(crate) fn for_http(&self) -> anyhow::Result<TlsConfig> {
        let certificates = self.certificates()?;
        let certificates = certificates.iter().map(|der| Certificate::from_der(der).to_owned());
        Ok(tls_config().root_certs(RootCerts::from(certificates)).build())
    }

    /// For a connection that speaks something else.
    pub(crate) fn for_rustls(&self) -> anyhow::Result<Arc<rustls::ClientConfig>> {
        let mut roots = rustls::RootCertStore::empty();
        // A system's bundle may hold what rustls can't read; the rest is good.
        let (taken, _) = roots.add_parsable_certificates(self.certificates()?);
        if taken == 0 {
            bail!("none of the trusted certificates can be read");
        }
        let config = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Arc::new(config))
    }
}

/// Takes whatever certificate is shown: fit for nothing but to ask for a
/// public certificate that the user compares afterwards.
pub(crate) fn unverified() -> TlsConfig {
    tls_config().disable_verification(true).build()
}

fn tls_config() -> ureq::tls::TlsConfigBuilder {
    TlsConfig::builder().unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
}

/// `SHA256:AB:CD:…` of the first certificate in a PEM text.
pub(crate) fn fingerprint(pem: &[u8]) -> anyhow::Result<String> {
    let der = CertificateDer::from_pem_slice(pem).context("this is not a certificate in PEM form")?;
    let digest = ring::digest::digest(&ring::digest::SHA256, &der);
    let bytes: Vec<String> = digest.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
    Ok(format!("SHA256:{}", bytes.join(":")))
}

/// Whether two fingerprints are the same, however they are written.
pub(crate) fn is_same_fingerprint(one: &str, other: &str) -> bool {
    let digits = |text: &str| -> String {
        let text = text.trim().to_ascii_lowercase();
        let text = text.strip_prefix("sha256").unwrap_or(&text).replace([':', '=', ' '], "");
        text.strip_prefix("fingerprint").unwrap_or(&text).to_owned()
    };
    digits(one) == digits(other) && digits(one).len() == 64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_compared_by_their_digits() {
        let one = format!("SHA256:{}", ["AB"; 32].join(":"));
        assert!(is_same_fingerprint(&one, &"ab".repeat(32)));
        assert!(is_same_fingerprint(&one, &format!("sha256 Fingerprint={}", ["AB"; 32].join(":"))));
        assert!(!is_same_fingerprint(&one, &"ac".repeat(32)));
        assert!(!is_same_fingerprint("", "") && !is_same_fingerprint("SHA256:", "SHA256:"));
    }

    #[test]
    fn a_file_without_a_certificate_is_no_authority() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = Trust::Authority(file.path().to_owned()).for_http().unwrap_err().to_string();
        assert!(error.contains("holds no certificate"), "{error}");
        assert!(fingerprint(b"nothing").is_err());
    }
}
