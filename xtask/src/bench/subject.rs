//! The server that is measured, and a way to it.

use std::ffi::OsString;
use std::path::Path;

use anyhow::{Context, ensure};
use e2e::{Api, Server, eventually};
use serde_json::json;

use crate::checkout::Checkout;

const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

pub(super) struct Subject {
    pub(super) server: Server,
    pub(super) api: Api,
    pub(super) variables: Vec<(OsString, OsString)>,
}

impl Subject {
    pub(super) fn start(program: &Path) -> anyhow::Result<Self> {
        let server = Server::start(program)?;
        let base: Vec<(OsString, OsString)> = std::env::vars_os().collect();
        let variables = server.environment(&base)?;
        let key = variables.iter().find(|(name, _)| name == "HEROKU_API_KEY").context("no key")?;
        let api = Api::new(server.address(), &key.1.to_string_lossy());
        Ok(Self { server, api, variables })
    }

    /// A new app, and the example that is to become it.
    pub(super) fn app(&self, name: &str, example: &str) -> anyhow::Result<Checkout> {
        self.api.call("POST", "/apps", &json!({ "name": name }))?;
        Checkout::of(example, &self.variables)
    }

    pub(super) fn remote(&self, app: &str) -> String {
        format!("{}/{app}.git", self.server.url())
    }

    /// Seconds from the push's begin until the app's answer holds `text`.
    pub(super) fn push_to_live(&self, checkout: &Checkout, app: &str, path: &str, text: &str) -> anyhow::Result<f64> {
        let begun = std::time::Instant::now();
        checkout.push(&self.remote(app))?;
        eventually(PATIENCE, || {
            let page = self.server.app(app, path)?;
            ensure!(page.status == 200 && page.body.contains(text), "{page:?}");
            Ok(())
        })?;
        Ok(begun.elapsed().as_secs_f64())
    }
}
