//! The local certificate authority: a key and a certificate in a directory.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, Zoned};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, PublicKeyData,
};
use rustls::pki_types::CertificateDer;

/// The certificate's name in the directory: what clients are told to trust.
pub(crate) const CERTIFICATE_FILE: &str = "ca.pem";
const KEY_FILE: &str = "ca.key";
const AUTHORITY_YEARS: i64 = 10;
/// With the day before today, on which a certificate begins, 397 at most.
const LEAF_DAYS: i64 = 395;

#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    #[error("could not read `{}`", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("could not write `{}`", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error(
        "`{}` is there but its key `{}` is not: put the key back, or remove the certificate to get a new authority that clients must trust anew",
        certificate.display(),
        key.display()
    )]
    KeyLost { certificate: PathBuf, key: PathBuf },
    #[error("the certificate can't be used: `{}`: {reason}", path.display())]
    Unusable { path: PathBuf, reason: String },
    #[error("could not make a certificate: {0}")]
    Make(#[from] rcgen::Error),
    #[error("could not use a certificate: {0}")]
    Use(#[from] rustls::Error),
}

pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// Reads the authority, or makes one at the first start. The key is
    /// written first: a certificate that exists has its key.
    pub(crate) fn open_or_create(dir: &Path) -> Result<Self, CertificateError> {
        let certificate_path = dir.join(CERTIFICATE_FILE);
        let key_path = dir.join(KEY_FILE);
        std::fs::create_dir_all(dir).map_err(|source| CertificateError::Write { path: dir.to_owned(), source })?;
        let has_certificate = certificate_path.exists();
        let key = match std::fs::read_to_string(&key_path) {
            Ok(pem) => KeyPair::from_pem(&pem)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound && has_certificate => {
                return Err(CertificateError::KeyLost { certificate: certificate_path, key: key_path });
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
                write_whole(&key_path, &key.serialize_pem(), 0o600)?;
                key
            }
            Err(source) => return Err(CertificateError::Read { path: key_path, source }),
        };
        let params = authority_params(&key);
        if !has_certificate {
            write_whole(&certificate_path, &params.self_signed(&key)?.pem(), 0o644)?;
        }
        Ok(Self { issuer: Issuer::new(params, key) })
    }

    /// A certificate for these names and addresses, and when it ends.
    pub(crate) fn issue(
        &self,
        names: Vec<String>,
        key: &impl PublicKeyData,
    ) -> Result<(CertificateDer<'static>, Timestamp), CertificateError> {
        let mut params = CertificateParams::new(names)?;
        // Who looks reads the alternative names; this one is for lists.
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "Renga");
        let end = today().saturating_add(Span::new().days(LEAF_DAYS));
        set_validity(&mut params, &end);
        params.is_ca = IsCa::ExplicitNoCa;
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = params.signed_by(key, &self.issuer)?;
        Ok((certificate.der().clone(), end.timestamp()))
    }
}

/// The same for the same key, so that the issuer's name in a leaf matches the
/// certificate that was written years ago. The name holds a piece of the key's
/// digest: two authorities in one trust store are told apart.
fn authority_params(key: &KeyPair) -> CertificateParams {
    let mut params = CertificateParams::default();
    let digest = params.key_identifier(key);
    let mark: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, format!("Renga local CA {mark}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    set_validity(&mut params, &today().saturating_add(Span::new().years(AUTHORITY_YEARS)));
    params
}

/// From yesterday, so that a client whose clock is behind takes it.
fn set_validity(params: &mut CertificateParams, end: &Zoned) {
    let (year, month, day) = year_month_day(&today().saturating_sub(Span::new().days(1)));
    params.not_before = rcgen::date_time_ymd(year, month, day);
    let (year, month, day) = year_month_day(end);
    params.not_after = rcgen::date_time_ymd(year, month, day);
}

fn today() -> Zoned {
    Timestamp::now().to_zoned(TimeZone::UTC)
}

fn year_month_day(moment: &Zoned) -> (i32, u8, u8) {
    let date = moment.date();
    (date.year().into(), date.month().unsigned_abs(), date.day().unsigned_abs())
}

/// Either the whole file is there afterwards, on disk, or none.
fn write_whole(path: &Path, text: &str, mode: u32) -> Result<(), CertificateError> {
    let new_path = path.with_extension("new");
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(mode).open(&new_path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&new_path, path)?;
        path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
    };
    write().map_err(|source| CertificateError::Write { path: path.to_owned(), source })
}
