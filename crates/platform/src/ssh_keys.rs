//! The public SSH keys of an account. They are kept for clients that ask for
//! them; code comes in over HTTPS only, as on Heroku.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use domain::ssh_key::{InvalidSshKey, SshKey, SshPublicKey};
use ring::digest::{SHA256, digest};
use store::AddSshKeyError;

use crate::error::Resource;
use crate::{Caller, Platform, PlatformError};

/// Of one account.
const MOST_KEYS: usize = 100;

pub struct SshKeys<'a> {
    pub(crate) platform: &'a Arc<Platform>,
}

impl SshKeys<'_> {
    /// The caller's keys in the order in which they were added.
    pub async fn list(&self, caller: &Caller) -> Result<Vec<SshKey>, PlatformError> {
        Ok(self.platform.store.ssh_keys().list(caller.account.id).await?)
    }

    /// One of the caller's keys, by its id or fingerprint.
    pub async fn find(&self, caller: &Caller, identity: &str) -> Result<SshKey, PlatformError> {
        let mut keys = self.list(caller).await?.into_iter();
        let found = keys.find(|key| key.id.to_string() == identity || key.fingerprint == identity);
        found.ok_or(PlatformError::NotFound(Resource::SshKey))
    }

    pub async fn add(&self, caller: &Caller, text: &str) -> Result<SshKey, PlatformError> {
        let invalid = |why: InvalidSshKey| PlatformError::Invalid(format!("Invalid `public_key`: {why}."));
        let key: SshPublicKey = text.parse().map_err(invalid)?;
        let fingerprint = fingerprint(&key).ok_or_else(|| invalid(InvalidSshKey::Form))?;
        if self.list(caller).await?.len() >= MOST_KEYS {
            return Err(PlatformError::Invalid(format!(
                "An account has at most {MOST_KEYS} SSH keys: remove one first."
            )));
        }
        let added =
            self.platform.store.ssh_keys().add(caller.account.id, &key, &fingerprint, self.platform.now()).await;
        added.map_err(|error| match error {
            AddSshKeyError::Already => PlatformError::Invalid(format!("You have the key {fingerprint} already.")),
            AddSshKeyError::Store(error) => error.into(),
        })
    }

    pub async fn remove(&self, caller: &Caller, identity: &str) -> Result<SshKey, PlatformError> {
        let key = self.find(caller, identity).await?;
        match self.platform.store.ssh_keys().remove(key.id).await? {
            true => Ok(key),
            false => Err(PlatformError::NotFound(Resource::SshKey)),
        }
    }
}

/// As `ssh-keygen -l` shows it; `None` if the text is no key of its kind (RFC
/// 4253, section 6.6: the key begins with its kind, after a length).
fn fingerprint(key: &SshPublicKey) -> Option<String> {
    let bytes = STANDARD.decode(key.base64()).ok()?;
    let length = usize::try_from(u32::from_be_bytes(*bytes.first_chunk()?)).ok()?;
    let kind = bytes.get(4..)?.get(..length)?;
    (kind == key.kind().as_bytes()).then_some(())?;
    Some(format!("SHA256:{}", STANDARD_NO_PAD.encode(digest(&SHA256, &bytes))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_the_one_that_ssh_keygen_shows() {
        // Made by ssh-keygen, which shows this fingerprint for it.
        let text = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMTt9OTEztwE/ncJLnCd7Y8A0+nZnaw74U+lCeG0+RsL";
        let key: SshPublicKey = text.parse().unwrap();
        assert_eq!(fingerprint(&key).unwrap(), "SHA256:x9Iv2WTgTn835hm6jbZ3VH7iMAhc7zxgdqvVTfIzjKM");
    }

    #[test]
    fn a_key_of_another_kind_than_it_says_has_none() {
        let key: SshPublicKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMTt9OTEztwE/ncJLnCd7Y8A0+nZnaw74U+lCeG0+RsL"
            .replace("ssh-ed25519 ", "ssh-rsa ")
            .parse()
            .unwrap();
        assert_eq!(fingerprint(&key), None);
    }
}
