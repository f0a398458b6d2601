//! Texts that stand in URLs and can't be guessed or changed: the payload and
//! a keyed digest of it. So a URL needs no row of its own, and holds over a
//! restart of the server.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};

pub(crate) struct Signer(hmac::Key);

/// What a signed text is good for; one made for one purpose fits no other.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    BuildOutput,
    ReleaseOutput,
    LogSession,
}

impl Purpose {
    const fn name(self) -> &'static str {
        match self {
            Self::BuildOutput => "build",
            Self::ReleaseOutput => "release",
            Self::LogSession => "log",
        }
    }
}

impl Signer {
    /// The key in this file, made at the first start, readable by its owner only.
    pub(crate) fn open_or_create(path: &Path) -> io::Result<Self> {
        let bytes = match fs::read(path) {
            Ok(bytes) if bytes.len() == 32 => bytes,
            Ok(_) => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("{} is not a key of 32 bytes", path.display()),
                ));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => create_key(path)?,
            Err(error) => return Err(error),
        };
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }

    pub(crate) fn sign(&self, purpose: Purpose, payload: &str) -> String {
        let tag = hmac::sign(&self.0, message(purpose, payload).as_bytes());
        format!("{}-{}", hex(payload.as_bytes()), hex(tag.as_ref()))
    }

    /// The payload, if the text was signed here for this purpose.
    pub(crate) fn verify(&self, purpose: Purpose, text: &str) -> Option<String> {
        let (payload, tag) = text.split_once('-')?;
        let payload = String::from_utf8(unhex(payload)?).ok()?;
        hmac::verify(&self.0, message(purpose, &payload).as_bytes(), &unhex(tag)?).ok()?;
        Some(payload)
    }
}

fn message(purpose: Purpose, payload: &str) -> String {
    format!("{}\0{payload}", purpose.name())
}

fn create_key(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; 32];
    SystemRandom::new().fill(&mut bytes).map_err(|_| io::Error::other("the system gives no random bytes"))?;
    let temporary = path.with_extension("new");
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    file.write_all(&bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    Ok(bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    (0..text.len() / 2).map(|index| u8::from_str_radix(&text[index * 2..index * 2 + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signed_text_is_read_back_and_a_changed_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("url.key");
        let signer = Signer::open_or_create(&path).unwrap();
        let text = signer.sign(Purpose::BuildOutput, "abc");
        let again = Signer::open_or_create(&path).unwrap();
        assert_eq!(again.verify(Purpose::BuildOutput, &text).as_deref(), Some("abc"));
        assert_eq!(again.verify(Purpose::LogSession, &text), None);
        assert_eq!(again.verify(Purpose::BuildOutput, &text.replacen('6', "7", 1)), None);
        for bad in ["", "-", "zz-zz", "616263-", "é-é"] {
            assert_eq!(again.verify(Purpose::BuildOutput, bad), None);
        }
    }
}
