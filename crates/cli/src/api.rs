//! A small client for the server's own API, with the owner's key.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::Value;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use crate::data_dir::DataDir;

const TIMEOUT: Duration = Duration::from_secs(30);

pub(crate) struct Api {
    agent: ureq::Agent,
    url: String,
    key: String,
}

impl Api {
    /// Trusts nothing but the authority of this data directory.
    pub(crate) fn of(data_dir: &DataDir) -> anyhow::Result<Self> {
        let server = data_dir.server()?;
        let authority = data_dir.authority();
        let pem = std::fs::read(&authority).with_context(|| format!("could not read `{}`", authority.display()))?;
        let certificate =
            Certificate::from_pem(&pem).with_context(|| format!("`{}` is not a certificate", authority.display()))?;
        let tls = TlsConfig::builder()
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .root_certs(RootCerts::new_with_certs(&[certificate]))
            .build();
        let agent = ureq::Agent::config_builder()
            .tls_config(tls)
            .proxy(None)
            .timeout_global(Some(TIMEOUT))
            .http_status_as_error(false)
            .build()
            .new_agent();
        Ok(Self { agent, url: server.url.trim_end_matches('/').to_owned(), key: data_dir.owner()?.api_key })
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let mut response = self
            .agent
            .post(format!("{}{path}", self.url))
            .header("Accept", "application/vnd.heroku+json; version=3")
            .header("Authorization", format!("Bearer {}", self.key))
            .content_type("application/json")
            .send(body.to_string())
            .with_context(|| format!("could not reach the server at {}; does it run?", self.url))?;
        let text = response.body_mut().read_to_string().context("the server's answer broke off")?;
        let answer: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
        if !response.status().is_success() {
            let message = answer["message"].as_str().unwrap_or(&text);
            bail!("the server refused ({}): {message}", response.status());
        }
        Ok(answer)
    }
}
