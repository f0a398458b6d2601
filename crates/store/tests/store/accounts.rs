//! Accounts, passwords and API keys.

use domain::Secret;
use store::{AddSshKeyError, CreateAccountError, StoreError};

use crate::support::{at, home};

#[tokio::test]
async fn an_account_is_found_by_id_and_e_mail_and_its_address_is_taken() {
    let store = home().await;
    let ann = store.account("ann@example.com").await;
    let op = store.accounts().create(&"op@example.com".parse().unwrap(), Some("Op"), None, true, at(5)).await.unwrap();
    assert_eq!(store.accounts().by_id(ann.id).await.unwrap().as_ref(), Some(&ann));
    assert_eq!(store.accounts().by_email(&op.email).await.unwrap().as_ref(), Some(&op));
    assert_eq!((op.name.as_deref(), op.is_operator, op.created_at), (Some("Op"), true, at(5)));
    assert_eq!(store.accounts().list().await.unwrap(), [ann.clone(), op]);
    let again = store.accounts().create(&ann.email, None, None, false, at(6)).await;
    assert!(matches!(again, Err(CreateAccountError::EmailTaken)));
    assert_eq!(store.accounts().by_email(&"no@example.com".parse().unwrap()).await.unwrap(), None);
    assert_eq!(store.accounts().set_name(ann.id, Some("Ann"), at(7)).await.unwrap().name.as_deref(), Some("Ann"));
}

#[tokio::test]
async fn only_the_password_that_was_set_last_is_right() {
    let store = home().await;
    let (email, old, new) = ("ann@example.com".parse().unwrap(), Secret::new("old"), Secret::new("new"));
    let ann = store.accounts().create(&email, None, Some(&old), false, at(0)).await.unwrap();
    assert_eq!(store.accounts().verify_password(&email, &old).await.unwrap().as_ref(), Some(&ann));
    store.accounts().set_password(ann.id, &new, at(1)).await.unwrap();
    assert_eq!(store.accounts().verify_password(&email, &old).await.unwrap(), None);
    assert!(store.accounts().verify_password(&email, &new).await.unwrap().is_some());
    let passwordless = store.account("bob@example.com").await;
    assert_eq!(store.accounts().verify_password(&passwordless.email, &Secret::new("")).await.unwrap(), None);
    assert_eq!(store.accounts().verify_password(&"no@example.com".parse().unwrap(), &new).await.unwrap(), None);
}

#[tokio::test]
async fn an_api_key_opens_its_account_until_it_expires_or_is_deleted() {
    let store = home().await;
    let ann = store.account("ann@example.com").await;
    let (key, secret) = store.api_keys().create(ann.id, "laptop", Some(at(100)), at(1)).await.unwrap();
    let (lasting, other) = store.api_keys().create(ann.id, "server", None, at(2)).await.unwrap();
    assert!(secret.expose().starts_with("HRKU-") && secret.expose().len() >= 45);
    assert_eq!(store.api_keys().authenticate(&secret, at(99)).await.unwrap(), Some((ann.clone(), key.clone())));
    assert_eq!(store.api_keys().authenticate(&secret, at(100)).await.unwrap(), None);
    assert_eq!(store.api_keys().by_id(key.id).await.unwrap().as_ref(), Some(&key));
    assert_eq!(store.api_keys().list(ann.id).await.unwrap(), [key.clone(), lasting.clone()]);
    assert!(store.api_keys().delete(lasting.id).await.unwrap());
    assert!(!store.api_keys().delete(lasting.id).await.unwrap());
    assert_eq!(store.api_keys().authenticate(&other, at(3)).await.unwrap(), None);
    for wrong in ["", "HRKU-", &secret.expose()[..68], &secret.expose().to_uppercase(), &"x".repeat(1_000_000)] {
        assert_eq!(store.api_keys().authenticate(&Secret::new(wrong), at(3)).await.unwrap(), None);
    }
    let nobody = domain::AccountId(uuid::Uuid::nil());
    let refused = store.api_keys().create(nobody, "", None, at(1)).await;
    assert!(matches!(refused, Err(StoreError::Gone(_))), "{refused:?}");
}

#[tokio::test]
async fn a_rotated_key_has_another_secret_and_a_session_is_told_from_a_key() {
    let store = home().await;
    let ann = store.account("ann@example.com").await;
    let (key, old) = store.api_keys().create(ann.id, "server", None, at(1)).await.unwrap();
    let (session, _) = store.api_keys().create_session(ann.id, "login", Some(at(9)), at(2)).await.unwrap();
    assert_eq!((key.is_session, session.is_session), (false, true));
    let (rotated, new) = store.api_keys().rotate(key.id, at(3)).await.unwrap();
    assert_eq!((rotated.id, rotated.updated_at), (key.id, at(3)));
    assert_eq!(store.api_keys().authenticate(&old, at(4)).await.unwrap(), None);
    assert!(store.api_keys().authenticate(&new, at(4)).await.unwrap().is_some());
    assert_eq!(store.api_keys().describe(key.id, "laptop", at(5)).await.unwrap().description, "laptop");
    let gone = domain::ApiKeyId(uuid::Uuid::nil());
    assert!(matches!(store.api_keys().rotate(gone, at(6)).await, Err(StoreError::Gone(_))));
}

#[tokio::test]
async fn ssh_keys_belong_to_one_account_each() {
    let store = home().await;
    let (ann, bob) = (store.account("ann@example.com").await, store.account("bob@example.com").await);
    let text = format!("ssh-ed25519 AAAA{} ann@laptop", "C3Nz".repeat(16));
    let line: domain::ssh_key::SshPublicKey = text.parse().unwrap();
    let key = store.ssh_keys().add(ann.id, &line, "SHA256:x", at(1)).await.unwrap();
    assert!(matches!(store.ssh_keys().add(ann.id, &line, "SHA256:x", at(2)).await, Err(AddSshKeyError::Already)));
    store.ssh_keys().add(bob.id, &line, "SHA256:x", at(3)).await.unwrap();
    assert_eq!(store.ssh_keys().list(ann.id).await.unwrap(), std::slice::from_ref(&key));
    assert!(store.ssh_keys().remove(key.id).await.unwrap());
    assert!(!store.ssh_keys().remove(key.id).await.unwrap());
    assert_eq!(store.ssh_keys().list(bob.id).await.unwrap().len(), 1);
}
