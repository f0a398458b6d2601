//! A certificate of the operator's own, in files that some other program may
//! renew at any time.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use rustls::client::verify_server_name;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;

use crate::CertificateError;

/// The files are looked at this often, when clients come.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// A chain and its key, read again when a file has changed. If the new ones
/// can't be used, those from before are, and the log says so.
#[derive(Debug)]
pub struct OwnCertificate {
    chain: PathBuf,
    key: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    certified: Arc<CertifiedKey>,
    stamp: Stamp,
    looked: Instant,
}

type Stamp = (Option<SystemTime>, Option<SystemTime>);

impl OwnCertificate {
    /// Reads both files, PEM. Fails if they are not there or don't belong together.
    pub fn open(chain: &Path, key: &Path) -> Result<Self, CertificateError> {
        let (chain, key) = (chain.to_owned(), key.to_owned());
        let state = State { stamp: stamp(&chain, &key), certified: load(&chain, &key)?, looked: Instant::now() };
        Ok(Self { chain, key, state: Mutex::new(state) })
    }

    /// The certificate, if it is good for this host name.
    pub(crate) fn for_name(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        let certified = self.current();
        let leaf = certified.cert.first()?;
        let name = ServerName::try_from(name).ok()?;
        let parsed = ParsedCertificate::try_from(leaf).ok()?;
        verify_server_name(&parsed, &name).is_ok().then_some(certified)
    }

    fn current(&self) -> Arc<CertifiedKey> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.looked.elapsed() >= LOOK_AGAIN {
            self.look(&mut state);
        }
        state.certified.clone()
    }

    fn look(&self, state: &mut State) {
        state.looked = Instant::now();
        let now = stamp(&self.chain, &self.key);
        if now == state.stamp {
            return;
        }
        match load(&self.chain, &self.key) {
            Ok(certified) => {
                tracing::info!("The certificate `{}` has changed and is used from now on", self.chain.display());
                *state = State { certified, stamp: now, looked: state.looked };
            }
            // The stamp stays: one file may be written yet.
            Err(error) => tracing::error!(%error, "The certificate has changed and can't be used; the old one is"),
        }
    }
}

fn stamp(chain: &Path, key: &Path) -> Stamp {
    let changed = |path: &Path| std::fs::metadata(path).and_then(|found| found.modified()).ok();
    (changed(chain), changed(key))
}

fn load(chain: &Path, key: &Path) -> Result<Arc<CertifiedKey>, CertificateError> {
    let unusable = |path: &Path, error: &dyn std::fmt::Display| CertificateError::Unusable {
        path: path.to_owned(),
        reason: error.to_string(),
    };
    let certificates = CertificateDer::pem_file_iter(chain)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unusable(chain, &error))?;
    if certificates.is_empty() {
        return Err(unusable(chain, &"there is no certificate in it"));
    }
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| unusable(key, &error))?;
    let certified = CertifiedKey::from_der(certificates, private, &ring::default_provider())
        .map_err(|error| unusable(chain, &format_args!("with the key `{}`: {error}", key.display())))?;
    Ok(Arc::new(certified))
}

#[cfg(test)]
mod tests {
    use rcgen::{CertifiedKey as Made, generate_simple_self_signed};

    use super::*;

    fn write(dir: &Path, name: &str) -> (PathBuf, PathBuf) {
        let Made { cert, signing_key } = generate_simple_self_signed([format!("*.{name}")]).unwrap();
        let (chain, key) = (dir.join("chain.pem"), dir.join("key.pem"));
        std::fs::write(&chain, cert.pem()).unwrap();
        std::fs::write(&key, signing_key.serialize_pem()).unwrap();
        (chain, key)
    }

    #[test]
    fn it_serves_the_names_that_it_is_good_for() {
        let dir = tempfile::tempdir().unwrap();
        let (chain, key) = write(dir.path(), "example.com");
        let own = OwnCertificate::open(&chain, &key).unwrap();
        assert!(own.for_name("shop.example.com").is_some());
        assert!(own.for_name("example.com").is_none());
        assert!(own.for_name("shop.example.org").is_none());
    }

    #[test]
    fn new_files_are_used_and_files_that_do_not_fit_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let (chain, key) = write(dir.path(), "example.com");
        let own = OwnCertificate::open(&chain, &key).unwrap();
        let look = || {
            let mut state = own.state.lock().unwrap();
            // As if the files had another age: file systems' clocks are coarse.
            state.stamp = (None, None);
            own.look(&mut state);
        };
        write(dir.path(), "example.org");
        look();
        assert!(own.for_name("shop.example.org").is_some());
        std::fs::write(&key, "no key").unwrap();
        look();
        assert!(own.for_name("shop.example.org").is_some(), "the old pair goes on");
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (chain, _) = write(one.path(), "example.com");
        let (_, key) = write(other.path(), "example.com");
        let refused = OwnCertificate::open(&chain, &key).unwrap_err().to_string();
        assert!(refused.contains("chain.pem") && refused.contains("key.pem"), "{refused}");
    }
}
