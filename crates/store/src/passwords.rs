//! Passwords, hashed with argon2id away from the async threads.

use std::sync::{Arc, OnceLock};

use argon2::Argon2;
use argon2::password_hash::{self, PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use domain::Secret;
use ring::rand::{SecureRandom, SystemRandom};
use tokio::sync::Semaphore;

use crate::StoreError;

/// Each hash takes 19 MiB and some 20 ms of a core (argon2's own defaults, as
/// OWASP has them), so only so many run at the same time; the rest waits.
const AT_ONCE: usize = 2;

pub(crate) struct Passwords {
    turns: Arc<Semaphore>,
}

impl Passwords {
    pub(crate) fn new() -> Self {
        Self { turns: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// The hash in PHC form, with a salt of its own.
    pub(crate) async fn hash(&self, password: &Secret) -> Result<String, StoreError> {
        let password = password.clone();
        self.blocking(move || hash(&password)).await
    }

    /// Whether the password is the one that was hashed. Without a hash (an
    /// account that is unknown or has no password) it takes as long to say no.
    pub(crate) async fn verify(&self, password: &Secret, hash: Option<String>) -> Result<bool, StoreError> {
        let password = password.clone();
        self.blocking(move || match hash {
            Some(hash) => verify(&password, &hash),
            None => verify(&password, dummy()?).map(|_| false),
        })
        .await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let failed = |error: &dyn std::fmt::Display| StoreError::Password(error.to_string());
        // The turn goes with the work: a caller who leaves does not free it early.
        let turn = self.turns.clone().acquire_owned().await.map_err(|error| failed(&error))?;
        let work = move || {
            let _turn = turn;
            work()
        };
        tokio::task::spawn_blocking(work).await.map_err(|error| failed(&error))?
    }
}

fn hash(password: &Secret) -> Result<String, StoreError> {
    let mut salt = [0; 16];
    SystemRandom::new().fill(&mut salt).map_err(|_| StoreError::Password("no random bytes".to_owned()))?;
    let salt = SaltString::encode_b64(&salt).map_err(unusable)?;
    let hash = Argon2::default().hash_password(password.expose().as_bytes(), &salt).map_err(unusable)?;
    Ok(hash.to_string())
}

fn verify(password: &Secret, hash: &str) -> Result<bool, StoreError> {
    let hash = PasswordHash::new(hash).map_err(unusable)?;
    match Argon2::default().verify_password(password.expose().as_bytes(), &hash) {
        Ok(()) => Ok(true),
        Err(password_hash::Error::Password) => Ok(false),
        Err(error) => Err(unusable(error)),
    }
}

/// The hash of a password that no one knows.
fn dummy() -> Result<&'static str, StoreError> {
    static DUMMY: OnceLock<String> = OnceLock::new();
    if let Some(hash) = DUMMY.get() {
        return Ok(hash);
    }
    let hash = hash(&crate::tokens::new_token("")?)?;
    Ok(DUMMY.get_or_init(|| hash))
}

fn unusable(error: password_hash::Error) -> StoreError {
    StoreError::Password(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_is_verified() {
        let passwords = Passwords::new();
        let hash = passwords.hash(&Secret::new("right")).await.unwrap();
        assert!(hash.starts_with("$argon2id$") && !hash.contains("right"));
        assert!(passwords.verify(&Secret::new("right"), Some(hash.clone())).await.unwrap());
        assert!(!passwords.verify(&Secret::new("wrong"), Some(hash)).await.unwrap());
        assert!(!passwords.verify(&Secret::new("right"), None).await.unwrap());
    }
}
