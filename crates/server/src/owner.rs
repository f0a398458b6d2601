//! The owner's account and key, made at the first start. There is no default
//! secret and no page for whoever comes first: whoever may read the data
//! directory's `keys/` is the owner.

use anyhow::Context;
use domain::{Email, Secret};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use store::Store;

use crate::data_dir::{DataDir, write_whole};

const EMAIL: &str = "owner@renga.local";

/// `keys/owner.json`: what `renga env` reads.
#[derive(Serialize, Deserialize)]
struct OwnerFile {
    email: String,
    api_key: String,
}

/// Sees to it that there is an owner, and that the key in the file is good.
pub(crate) async fn ensure(store: &Store, data_dir: &DataDir) -> anyhow::Result<()> {
    let path = data_dir.join("keys/owner.json");
    let now = Timestamp::now();
    if let Some(file) = std::fs::read(&path).ok().and_then(|bytes| serde_json::from_slice::<OwnerFile>(&bytes).ok())
        && store.api_keys().authenticate(&Secret::new(file.api_key), now).await?.is_some()
    {
        return Ok(());
    }
    let email: Email = EMAIL.parse().context("the owner's address")?;
    let account = match store.accounts().list().await?.into_iter().find(|account| account.is_operator) {
        Some(account) => account,
        None => store.accounts().create(&email, Some("Owner"), None, true, now).await?,
    };
    let (_, key) = store.api_keys().create(account.id, "renga env (made at start)", None, now).await?;
    let file = OwnerFile { email: account.email.to_string(), api_key: key.expose().to_owned() };
    write_whole(&path, &serde_json::to_vec_pretty(&file)?, 0o600)
}
