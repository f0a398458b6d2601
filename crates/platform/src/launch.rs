//! From a release and a process type to a [`DynoSpec`]: which image, command,
//! environment and limits a dyno gets.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use domain::build::Slug;
use domain::release::Release;
use domain::{App, ConfigVars, DynoId, DynoName, DynoSize};
use images::Image;
use runtime::{DynoSpec, Limits, RootFs, StackRoot, Stdio};
use stack::{Stack, StackImage};

use crate::Platform;
use crate::environment::{environment, start_command};
use crate::error::PlatformError;
use crate::label::{Kind, Label};

/// A dyno may write this much to its own disk (`/app` and `/tmp`).
const DISK_BYTES: u64 = 4 * 1024 * 1024 * 1024;

/// All of a release that its dynos need; read once, shared by them.
pub(crate) struct Launchable {
    pub(crate) app: App,
    pub(crate) release: Release,
    pub(crate) slug: Slug,
    config: ConfigVars,
    root: RootFs,
    /// `HEROKU_*` of the `runtime-dyno-metadata` feature, if it is on.
    metadata: Vec<(&'static str, String)>,
}

/// One dyno to be started.
pub(crate) struct Launch<'a> {
    pub(crate) id: DynoId,
    pub(crate) name: &'a DynoName,
    pub(crate) kind: Kind,
    pub(crate) command: &'a str,
    pub(crate) size: DynoSize,
    pub(crate) port: u16,
    pub(crate) stdio: Stdio,
    pub(crate) extra_env: &'a BTreeMap<String, String>,
}

impl Platform {
    /// Reads what the dynos of `release` need. `None`: it has no code.
    pub(crate) async fn launchable(
        self: &Arc<Self>,
        app: &App,
        release: &Release,
    ) -> Result<Option<Launchable>, PlatformError> {
        let Some(slug_id) = release.slug else { return Ok(None) };
        let slug = self
            .store
            .slugs()
            .by_id(slug_id)
            .await?
            .with_context(|| format!("the slug {slug_id} of release v{} is gone", release.version))?;
        let config = self.store.releases().config(release.id).await?;
        let root = self.root_fs(&slug).await?;
        let metadata = self.metadata(app, release, &slug).await?;
        Ok(Some(Launchable { app: app.clone(), release: release.clone(), slug, config, root, metadata }))
    }

    async fn root_fs(&self, slug: &Slug) -> Result<RootFs, PlatformError> {
        let image = Image::load(&self.images, slug.image)
            .with_context(|| format!("could not read the image of slug {}", slug.id))?;
        let layers = image.layer_files(&self.images);
        Ok(RootFs { stack: self.stack_root(&slug.stack).await?, layers })
    }

    /// The root filesystem of a stack, made now if it is not there.
    async fn stack_root(&self, name: &str) -> Result<StackRoot, PlatformError> {
        let stack: Stack = name.parse().map_err(anyhow::Error::from)?;
        let image = match self.stacks.existing(stack) {
            Some(image) => image,
            None => self.stacks.ensure(stack, |line| tracing::info!("{line}")).await.map_err(anyhow::Error::from)?,
        };
        Ok(match image {
            StackImage::File { path, .. } => StackRoot::Image(path),
            StackImage::Host => StackRoot::Host,
        })
    }

    async fn metadata(
        &self,
        app: &App,
        release: &Release,
        slug: &Slug,
    ) -> Result<Vec<(&'static str, String)>, PlatformError> {
        let features = self.store.features().enabled(app.id).await?;
        if !features.iter().any(|(name, _)| name == "runtime-dyno-metadata") {
            return Ok(Vec::new());
        }
        Ok(vec![
            ("HEROKU_APP_ID", app.id.to_string()),
            ("HEROKU_APP_NAME", app.name.to_string()),
            ("HEROKU_APP_DEFAULT_DOMAIN_NAME", format!("{}.{}", app.name, self.settings.base_domain)),
            ("HEROKU_RELEASE_CREATED_AT", release.created_at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
            ("HEROKU_RELEASE_VERSION", format!("v{}", release.version)),
            ("HEROKU_BUILD_COMMIT", slug.commit.clone().unwrap_or_default()),
            ("HEROKU_BUILD_DESCRIPTION", slug.commit_description.clone().unwrap_or_default()),
            ("HEROKU_SLUG_COMMIT", slug.commit.clone().unwrap_or_default()),
            ("HEROKU_SLUG_DESCRIPTION", release.description.clone()),
        ])
    }
}

impl Launchable {
    pub(crate) fn spec(&self, launch: &Launch<'_>) -> DynoSpec {
        let label =
            Label { kind: launch.kind, name: launch.name.to_string(), release: self.release.id, port: launch.port };
        let mut metadata = self.metadata.clone();
        if !metadata.is_empty() {
            metadata.push(("HEROKU_DYNO_ID", launch.id.to_string()));
        }
        DynoSpec {
            id: launch.id,
            app: self.app.id,
            hostname: format!("{}-{}", launch.name.to_string().replace(['.', '_'], "-"), &launch.id.to_string()[..8]),
            root: self.root.clone(),
            command: start_command(launch.command),
            env: environment(&self.config, launch.name, launch.port, &metadata, launch.extra_env),
            cwd: PathBuf::from("/app"),
            mounts: Vec::new(),
            limits: limits(launch.size),
            stdio: launch.stdio,
            label: label.text(),
        }
    }
}

fn limits(size: DynoSize) -> Limits {
    Limits {
        memory_bytes: size.memory_bytes(),
        processes: size.processes(),
        cpu_share: size.compute(),
        cpu_millis: None,
        disk_bytes: DISK_BYTES,
    }
}
