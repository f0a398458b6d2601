//! Public SSH keys, as their holders write them.

use std::str::FromStr;

use jiff::Timestamp;

use crate::{AccountId, SshKeyId};

/// Longer texts are no public keys: RSA with 16,384 bits has 2,800 characters.
const LONGEST: usize = 8192;

/// The kinds that OpenSSH takes today; `ssh-dss` is not among them.
const KINDS: [&str; 7] = [
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
];

/// A line of an `authorized_keys` file without options: kind, base64, comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshPublicKey {
    kind: &'static str,
    base64: String,
    comment: String,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSshKey {
    #[error("this is not a public SSH key: it is one line such as `ssh-ed25519 AAAA... you@laptop`")]
    Form,
    #[error("this is a private key: keep it to yourself and give the file that ends in .pub")]
    Private,
}

impl SshPublicKey {
    pub fn kind(&self) -> &str {
        self.kind
    }

    /// The key itself.
    pub fn base64(&self) -> &str {
        &self.base64
    }

    /// What stands after the key, mostly `user@host`; may be empty.
    pub fn comment(&self) -> &str {
        &self.comment
    }
}

impl FromStr for SshPublicKey {
    type Err = InvalidSshKey;

    fn from_str(text: &str) -> Result<Self, InvalidSshKey> {
        let text = text.trim();
        if text.starts_with("-----BEGIN") {
            return Err(InvalidSshKey::Private);
        }
        if text.len() > LONGEST || text.chars().any(char::is_control) {
            return Err(InvalidSshKey::Form);
        }
        let mut words = text.splitn(3, ' ');
        let (Some(kind), Some(base64)) = (words.next(), words.next()) else { return Err(InvalidSshKey::Form) };
        let kind = KINDS.into_iter().find(|known| *known == kind).ok_or(InvalidSshKey::Form)?;
        // The key's first field is its kind again, after a length in four bytes: `AAAA`.
        let is_base64 = base64.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte));
        if !is_base64 || !base64.starts_with("AAAA") || base64.len() < 40 {
            return Err(InvalidSshKey::Form);
        }
        let comment = words.next().unwrap_or_default().trim().to_owned();
        Ok(Self { kind, base64: base64.to_owned(), comment })
    }
}

impl std::fmt::Display for SshPublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.kind, self.base64)?;
        if self.comment.is_empty() { Ok(()) } else { write!(f, " {}", self.comment) }
    }
}

/// A public key that an account has given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshKey {
    pub id: SshKeyId,
    pub account: AccountId,
    pub public_key: SshPublicKey,
    /// `SHA256:` and base64, as `ssh-keygen -l` shows it.
    pub fingerprint: String,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMTt9OTEztwE/ncJLnCd7Y8A0+nZnaw74U+lCeG0+RsL";

    #[test]
    fn a_key_is_read_with_and_without_a_comment() {
        let key: SshPublicKey = format!("{KEY} me at home\n").parse().unwrap();
        assert_eq!((key.kind(), key.comment()), ("ssh-ed25519", "me at home"));
        assert_eq!(key.to_string(), format!("{KEY} me at home"));
        assert_eq!(KEY.parse::<SshPublicKey>().unwrap().to_string(), KEY);
    }

    #[test]
    fn what_is_no_public_key_is_refused() {
        for text in ["", "ssh-ed25519", "ssh-dss AAAA", &KEY.replace("AAAAC3", "!"), &format!("{KEY} a\nb")] {
            assert_eq!(text.parse::<SshPublicKey>(), Err(InvalidSshKey::Form), "{text}");
        }
        let private = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n";
        assert_eq!(private.parse::<SshPublicKey>(), Err(InvalidSshKey::Private));
    }
}
