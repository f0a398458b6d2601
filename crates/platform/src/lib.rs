//! The use cases of the platform: one file per noun, one per workflow.
//!
//! A request that changes the world writes rows and returns; the formation
//! reconciler makes reality equal to the rows (see INTERFACE.md for signatures). This crate knows no HTTP, and
//! neither which runtime runs the dynos.

mod accounts;
mod apps;
mod buildpacks;
mod builds;
mod collaborators;
mod config;
mod domains;
mod drains;
mod dynos;
mod error;
mod features;
mod formation;
mod log_sessions;
mod releases;
mod sources;

use std::path::PathBuf;
use std::sync::Arc;

use domain::account::Account;
use domain::{ApiKeyId, App};
use jiff::Timestamp;
use store::Store;

pub use error::{PlatformError, Resource};

/// Who asks.
#[derive(Debug, Clone)]
pub struct Caller {
    pub account: Account,
    pub key: ApiKeyId,
}

/// What an operator may set, with defaults that work on a laptop.
#[derive(Debug, Clone)]
pub struct Settings {
    pub data_dir: PathBuf,
    /// Apps answer on `<app>.<base_domain>`.
    pub base_domain: String,
    /// How the platform is reached from outside, without a slash at the end:
    /// `https://localhost:5000`.
    pub public_url: String,
    /// The stack of new apps.
    pub default_stack: String,
}

pub struct Platform {
    pub(crate) store: Store,
    pub(crate) settings: Settings,
}

impl Platform {
    pub fn accounts(self: &Arc<Self>) -> accounts::Accounts<'_> {
        accounts::Accounts { platform: self }
    }
    pub fn apps(self: &Arc<Self>) -> apps::Apps<'_> {
        apps::Apps { platform: self }
    }
    pub fn buildpacks(self: &Arc<Self>) -> buildpacks::Buildpacks<'_> {
        buildpacks::Buildpacks { platform: self }
    }
    pub fn builds(self: &Arc<Self>) -> builds::Builds<'_> {
        builds::Builds { platform: self }
    }
    pub fn collaborators(self: &Arc<Self>) -> collaborators::Collaborators<'_> {
        collaborators::Collaborators { platform: self }
    }
    pub fn config(self: &Arc<Self>) -> config::Config<'_> {
        config::Config { platform: self }
    }
    pub fn domains(self: &Arc<Self>) -> domains::Domains<'_> {
        domains::Domains { platform: self }
    }
    pub fn drains(self: &Arc<Self>) -> drains::Drains<'_> {
        drains::Drains { platform: self }
    }
    pub fn dynos(self: &Arc<Self>) -> dynos::Dynos<'_> {
        dynos::Dynos { platform: self }
    }
    pub fn features(self: &Arc<Self>) -> features::Features<'_> {
        features::Features { platform: self }
    }
    pub fn formation(self: &Arc<Self>) -> formation::Formations<'_> {
        formation::Formations { platform: self }
    }
    pub fn log_sessions(self: &Arc<Self>) -> log_sessions::LogSessions<'_> {
        log_sessions::LogSessions { platform: self }
    }
    pub fn releases(self: &Arc<Self>) -> releases::Releases<'_> {
        releases::Releases { platform: self }
    }
    pub fn sources(self: &Arc<Self>) -> sources::Sources<'_> {
        sources::Sources { platform: self }
    }
}
