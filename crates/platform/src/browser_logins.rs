//! Logins of a client without a password of its own: it gets the address of a
//! page and waits; someone signs in on the page; the client is handed a key.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use domain::Secret;
use ring::rand::{SecureRandom, SystemRandom};
use tokio::sync::watch;

use crate::error::{PlatformError, Resource};

/// A page that no one signs in on is forgotten after this time.
const VALID_FOR: Duration = Duration::from_secs(600);
/// Of all clients together; more are asked to come again.
const MOST_WAITING: usize = 1000;

/// Logins that wait for someone to sign in.
#[derive(Default)]
pub struct BrowserLogins(Mutex<HashMap<String, Waiting>>);

struct Waiting {
    /// What the client says it is.
    description: String,
    /// The secret of the page's address; the map's key is the client's.
    page: String,
    begun: Instant,
    outcome: watch::Sender<Option<LoginOutcome>>,
}

/// How a login ended.
#[derive(Clone)]
pub enum LoginOutcome {
    /// The client's new key.
    SignedIn(Secret),
    Refused,
}

/// What the client of a new login is told.
pub struct BrowserLogin {
    /// For the page's address.
    pub page: String,
    /// With it the client asks how it went.
    pub client: String,
}

impl BrowserLogins {
    /// `description` is shown to whoever signs in.
    pub fn begin(&self, description: &str) -> Result<BrowserLogin, PlatformError> {
        let login = BrowserLogin { page: secret()?, client: secret()? };
        let description = description.chars().filter(|char| !char.is_control()).take(200).collect();
        let waiting =
            Waiting { description, page: login.page.clone(), begun: Instant::now(), outcome: watch::channel(None).0 };
        let mut all = self.lock();
        all.retain(|_, waiting| waiting.begun.elapsed() < VALID_FOR);
        if all.len() >= MOST_WAITING {
            return Err(PlatformError::Conflict(
                "Too many logins are waiting now: try again in a few minutes.".to_owned(),
            ));
        }
        all.insert(login.client.clone(), waiting);
        Ok(login)
    }

    /// What the client behind a page says it is.
    pub fn description(&self, page: &str) -> Result<String, PlatformError> {
        let all = self.lock();
        let waiting = all.values().find(|waiting| waiting.is_open(page));
        waiting.map(|waiting| waiting.description.clone()).ok_or(PlatformError::NotFound(Resource::Login))
    }

    /// Ends the login behind a page, once.
    pub fn end(&self, page: &str, outcome: LoginOutcome) -> Result<(), PlatformError> {
        let all = self.lock();
        let waiting = all.values().find(|waiting| waiting.is_open(page));
        let waiting = waiting.ok_or(PlatformError::NotFound(Resource::Login))?;
        waiting.outcome.send_replace(Some(outcome));
        Ok(())
    }

    /// Waits for the outcome; `None` if there is none `within` this time. It is
    /// told once.
    pub async fn outcome(&self, client: &str, within: Duration) -> Result<Option<LoginOutcome>, PlatformError> {
        let waiting = self.lock().get(client).map(|waiting| waiting.outcome.subscribe());
        let mut outcome = waiting.ok_or(PlatformError::NotFound(Resource::Login))?;
        let ended = match tokio::time::timeout(within, outcome.wait_for(Option::is_some)).await {
            Ok(Ok(ended)) => ended.clone(),
            // Forgotten meanwhile.
            Ok(Err(_)) => return Err(PlatformError::NotFound(Resource::Login)),
            Err(_) => return Ok(None),
        };
        // Another request of the same client may have been first.
        self.lock().remove(client).ok_or(PlatformError::NotFound(Resource::Login))?;
        Ok(ended)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Waiting>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn is_open(&self, page: &str) -> bool {
        self.page == page && self.begun.elapsed() < VALID_FOR && self.outcome.borrow().is_none()
    }
}

/// 48 hexadecimal digits.
fn secret() -> Result<String, PlatformError> {
    let mut bytes = [0; 24];
    SystemRandom::new().fill(&mut bytes).map_err(|_| anyhow::anyhow!("the system gives no random bytes"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_client_learns_once_how_its_own_login_went() {
        let logins = BrowserLogins::default();
        let (login, other) = (logins.begin("A laptop\n").unwrap(), logins.begin("x").unwrap());
        assert_eq!(logins.description(&login.page).unwrap(), "A laptop");
        assert!(logins.description(&login.client).is_err(), "the client's secret opens no page");
        assert!(logins.outcome(&login.client, Duration::ZERO).await.unwrap().is_none());
        logins.end(&login.page, LoginOutcome::SignedIn(Secret::new("key"))).unwrap();
        assert!(logins.end(&login.page, LoginOutcome::Refused).is_err());
        assert!(logins.outcome(&other.client, Duration::ZERO).await.unwrap().is_none());
        let Some(LoginOutcome::SignedIn(key)) = logins.outcome(&login.client, Duration::ZERO).await.unwrap() else {
            panic!("it was signed in");
        };
        assert_eq!(key.expose(), "key");
        assert!(logins.outcome(&login.client, Duration::ZERO).await.is_err());
    }

    #[test]
    fn only_so_many_wait_at_a_time() {
        let logins = BrowserLogins::default();
        for _ in 0..MOST_WAITING {
            logins.begin("x").unwrap();
        }
        assert!(matches!(logins.begin("x"), Err(PlatformError::Conflict(_))));
    }
}
