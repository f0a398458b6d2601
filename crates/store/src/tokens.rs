//! Secrets that the platform hands out and itself knows only by their digest.

use domain::Secret;
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};

use crate::StoreError;
use crate::keys::SealError;

/// 256 random bits as 64 hexadecimal digits behind `prefix`.
pub(crate) fn new_token(prefix: &str) -> Result<Secret, StoreError> {
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).map_err(|_| SealError::NoRandom)?;
    Ok(Secret::new(format!("{prefix}{}", hex(&bytes))))
}

/// What is stored of a token. A plain hash is enough: nobody guesses 256
/// random bits, however fast the hash.
pub(crate) fn token_digest(token: &Secret) -> Vec<u8> {
    digest(&SHA256, token.expose().as_bytes()).as_ref().to_vec()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_long_and_differ() {
        let (one, other) = (new_token("HRKU-").unwrap(), new_token("HRKU-").unwrap());
        assert_eq!(one.expose().len(), 69);
        assert!(one != other && token_digest(&one) != token_digest(&other));
    }
}
