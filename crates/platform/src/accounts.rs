//! Accounts and their API keys.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use domain::account::{Account, ApiKey};
use domain::{AccountId, ApiKeyId, AppName, Email, Secret};
use jiff::Timestamp;
use store::{CreateAccountError, DeleteAccountError};
use uuid::Uuid;

use crate::{Caller, Platform, PlatformError, Resource};

/// Passwords that people choose are at least this long, in characters.
const SHORTEST_PASSWORD: usize = 8;

pub struct Accounts<'a> {
    pub(crate) platform: &'a Arc<Platform>,
}

impl Accounts<'_> {
    /// Who holds this API key. `Unauthorized`: no one, or it has expired.
    pub async fn authenticate(&self, key: &Secret) -> Result<Caller, PlatformError> {
        let found = self.platform.store.api_keys().authenticate(key, self.platform.now()).await?;
        let (account, key) = found.ok_or(PlatformError::Unauthorized)?;
        Ok(Caller { account, key: key.id })
    }

    /// Who logs in with this password. Takes the same time whether the account
    /// exists or not.
    pub async fn authenticate_password(&self, email: &Email, password: &Secret) -> Result<Account, PlatformError> {
        self.platform.store.accounts().verify_password(email, password).await?.ok_or(PlatformError::Unauthorized)
    }

    /// A new account with a password that is told this once, and that its
    /// holder replaces by his own. Operator only.
    pub async fn create(
        &self,
        caller: &Caller,
        email: &Email,
        name: Option<&str>,
    ) -> Result<(Account, Secret), PlatformError> {
        if !caller.account.is_operator {
            return Err(PlatformError::Forbidden("Only the operator of this platform may create accounts.".to_owned()));
        }
        let password = Secret::new(Uuid::new_v4().simple().to_string());
        let created = self.platform.store.accounts().invite(email, name, &password, self.platform.now()).await;
        match created {
            Ok(account) => {
                tracing::info!(account.email = %email, "Created the account {email}");
                Ok((account, password))
            }
            Err(CreateAccountError::EmailTaken) => {
                Err(PlatformError::Invalid(format!("There is an account with the e-mail address {email} already.")))
            }
            Err(CreateAccountError::Store(error)) => Err(error.into()),
        }
    }

    /// An account by its id or e-mail address, as far as the caller may know
    /// it: himself, or anyone if he is the operator. `~` is the caller.
    pub async fn find(&self, caller: &Caller, identity: &str) -> Result<Account, PlatformError> {
        let own = [caller.account.id.to_string(), caller.account.email.to_string(), "~".to_owned()];
        if own.iter().any(|own| own.eq_ignore_ascii_case(identity)) {
            return Ok(caller.account.clone());
        }
        if !caller.account.is_operator {
            return Err(PlatformError::NotFound(Resource::Account));
        }
        self.by_identity(identity).await
    }

    /// An account by its id or e-mail address.
    pub(crate) async fn by_identity(&self, identity: &str) -> Result<Account, PlatformError> {
        let accounts = self.platform.store.accounts();
        let found = match (identity.parse::<AccountId>(), identity.parse::<Email>()) {
            (Ok(id), _) => accounts.by_id(id).await?,
            (_, Ok(email)) => accounts.by_email(&email).await?,
            _ => None,
        };
        found.ok_or(PlatformError::NotFound(Resource::Account))
    }

    /// The e-mail addresses of these accounts; an account that is gone is left out.
    pub async fn emails(&self, ids: Vec<AccountId>) -> Result<HashMap<AccountId, Email>, PlatformError> {
        let mut emails = HashMap::new();
        for id in ids {
            if emails.contains_key(&id) {
                continue;
            }
            if let Some(account) = self.platform.store.accounts().by_id(id).await? {
                emails.insert(id, account.email);
            }
        }
        Ok(emails)
    }

    pub async fn rename(&self, caller: &Caller, name: Option<&str>) -> Result<Account, PlatformError> {
        if name.is_some_and(|name| name.chars().count() > 255 || name.chars().any(char::is_control)) {
            return Err(PlatformError::Invalid("`name` must be one line of at most 255 characters.".to_owned()));
        }
        Ok(self.platform.store.accounts().set_name(caller.account.id, name, self.platform.now()).await?)
    }

    /// Replaces the caller's password, which he has to know.
    pub async fn change_password(&self, caller: &Caller, current: &Secret, new: &Secret) -> Result<(), PlatformError> {
        self.authenticate_password(&caller.account.email, current).await.map_err(|error| match error {
            PlatformError::Unauthorized => PlatformError::Invalid("`password` is not your password.".to_owned()),
            other => other,
        })?;
        self.choose_password(&caller.account, current, new).await
    }

    /// Replaces the password of someone who has just shown that he knows it.
    pub async fn choose_password(
        &self,
        account: &Account,
        current: &Secret,
        new: &Secret,
    ) -> Result<(), PlatformError> {
        let new = new.expose();
        if new.chars().count() < SHORTEST_PASSWORD {
            let text = format!("The new password is too short: use at least {SHORTEST_PASSWORD} characters.");
            return Err(PlatformError::Invalid(text));
        }
        if new == current.expose() {
            return Err(PlatformError::Invalid("The new password is the one so far: choose another.".to_owned()));
        }
        self.platform.store.accounts().set_password(account.id, &Secret::new(new), self.platform.now()).await?;
        Ok(())
    }

    /// Ends an account: one's own, or as the operator anyone else's. What it
    /// did stays in the apps of others, under an address that tells nothing.
    pub async fn delete(&self, caller: &Caller, account: &Account) -> Result<(), PlatformError> {
        if account.id != caller.account.id && !caller.account.is_operator {
            return Err(PlatformError::Forbidden("Only its holder or the operator may delete an account.".to_owned()));
        }
        if account.is_operator {
            let text = "The operator's account can't be deleted: no one could run the platform without it.";
            return Err(PlatformError::Invalid(text.to_owned()));
        }
        match self.platform.store.accounts().delete(account.id, self.platform.now()).await {
            Ok(()) => {
                tracing::info!(account.id = %account.id, "Deleted the account {}", account.email);
                Ok(())
            }
            Err(DeleteAccountError::OwnsApps(apps)) => {
                let apps: Vec<&str> = apps.iter().map(AppName::as_str).collect();
                let text = format!("This account owns apps: destroy them first ({}).", apps.join(", "));
                Err(PlatformError::Invalid(text))
            }
            Err(DeleteAccountError::Store(error)) => Err(error.into()),
        }
    }

    /// A new API key of the account; the key is told this once.
    pub async fn issue_key(
        &self,
        account: &Account,
        description: &str,
        expires_in: Option<Duration>,
    ) -> Result<(ApiKey, Secret), PlatformError> {
        let (now, expires_at) = (self.platform.now(), self.end_of(expires_in)?);
        Ok(self.platform.store.api_keys().create(account.id, &one_line(description), expires_at, now).await?)
    }

    /// The key of a login: a session, which `logout` ends.
    pub async fn begin_session(
        &self,
        account: &Account,
        description: &str,
        expires_in: Option<Duration>,
    ) -> Result<(ApiKey, Secret), PlatformError> {
        let (now, expires_at) = (self.platform.now(), self.end_of(expires_in)?);
        Ok(self.platform.store.api_keys().create_session(account.id, &one_line(description), expires_at, now).await?)
    }

    fn end_of(&self, expires_in: Option<Duration>) -> Result<Option<Timestamp>, PlatformError> {
        let end = expires_in.map(|wait| self.platform.now().checked_add(wait)).transpose();
        end.map_err(|_| PlatformError::Invalid("`expires_in` reaches beyond the end of the calendar.".to_owned()))
    }

    /// Another secret for one of the caller's keys, told this once; the one so
    /// far is refused from now on.
    pub async fn rotate_key(&self, caller: &Caller, id: &str) -> Result<(ApiKey, Secret), PlatformError> {
        let key = self.key(caller, id).await?;
        Ok(self.platform.store.api_keys().rotate(key.id, self.platform.now()).await?)
    }

    pub async fn describe_key(&self, caller: &Caller, id: &str, description: &str) -> Result<ApiKey, PlatformError> {
        let key = self.key(caller, id).await?;
        Ok(self.platform.store.api_keys().describe(key.id, &one_line(description), self.platform.now()).await?)
    }

    /// The caller's keys, the oldest first.
    pub async fn keys(&self, caller: &Caller) -> Result<Vec<ApiKey>, PlatformError> {
        Ok(self.platform.store.api_keys().list(caller.account.id).await?)
    }

    /// One of the caller's keys by its id. `~` is the one he calls with, unless
    /// it is a session.
    pub async fn key(&self, caller: &Caller, id: &str) -> Result<ApiKey, PlatformError> {
        let not_found = || PlatformError::NotFound(Resource::Authorization);
        let by_id = if id == "~" { caller.key } else { id.parse::<ApiKeyId>().map_err(|_| not_found())? };
        let key = self.platform.store.api_keys().by_id(by_id).await?;
        let key = key.filter(|key| key.account == caller.account.id).ok_or_else(not_found)?;
        if id == "~" && key.is_session { Err(not_found()) } else { Ok(key) }
    }

    /// Ends one of the caller's keys; it is refused from now on.
    pub async fn revoke(&self, caller: &Caller, id: &str) -> Result<ApiKey, PlatformError> {
        let key = self.key(caller, id).await?;
        match self.platform.store.api_keys().delete(key.id).await? {
            true => Ok(key),
            false => Err(PlatformError::NotFound(Resource::Authorization)),
        }
    }
}

/// What a client calls a key, as one line of at most 255 characters.
fn one_line(description: &str) -> String {
    description.chars().filter(|char| !char.is_control()).take(255).collect()
}
