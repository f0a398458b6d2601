//! What a build has left on its disk, made an image.

use std::path::{Path, PathBuf};
use std::time::Instant;

use domain::procfile::ProcessTypes;
use images::{Hold, Image, NewImage, TreeLimit};
use stack::Stack;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

use crate::builder::Builder;
use crate::error::{BuildError, Platform, Rejection, io_error};
use crate::events::{self, Events};
use crate::harvest::read_beneath;
use crate::layers::{self, LayersError, Packing};
use crate::output::{self, Output};
use crate::plan::REPORT_DIR;
use crate::preparation::Preparation;
use crate::procfile::{self, Declared};
use crate::release_yaml;

/// A longer Procfile is refused.
const PROCFILE_LIMIT_BYTES: usize = 256 * 1024;
const LAYERS_LIMIT_BYTES: usize = 64 * 1024;

/// The disk of a build whose dyno is dead.
pub(crate) struct Slug<'a> {
    pub(crate) builder: &'a Builder,
    pub(crate) prepared: &'a Arc<Preparation>,
    pub(crate) stack: Stack,
}

impl Slug<'_> {
    /// What the driver reported.
    pub(crate) fn events(&self) -> Result<Events, Platform> {
        Ok(events::parse(&self.report("events", events::LIMIT_BYTES)?.unwrap_or_default()))
    }

    fn report(&self, name: &str, limit_bytes: usize) -> Result<Option<Vec<u8>>, Platform> {
        self.read(&PathBuf::from(REPORT_DIR.trim_start_matches("/tmp/")).join(name), limit_bytes)
    }

    fn read(&self, path: &Path, limit_bytes: usize) -> Result<Option<Vec<u8>>, Platform> {
        read_beneath(&self.prepared.scratch.root(), path, limit_bytes).map_err(|error| io_error("read", path, error))
    }

    /// The Procfile's, and the defaults of the last buildpack.
    pub(crate) async fn process_types(&self, events: &Events, output: &mut Output) -> Result<Declared, BuildError> {
        let defaults = match self.report("release.yml", release_yaml::LIMIT_BYTES)? {
            Some(text) => defaults(&text, events, output).await?,
            None => ProcessTypes::new(),
        };
        let path = Path::new(&self.prepared.build_folder).join("Procfile");
        let procfile = self.read(&path, PROCFILE_LIMIT_BYTES + 1)?;
        if procfile.as_ref().is_some_and(|text| text.len() > PROCFILE_LIMIT_BYTES) {
            let most = output::size(PROCFILE_LIMIT_BYTES as u64);
            output.problem(&format!("The Procfile is larger than {most}: it is to name processes, one a line.")).await;
            output.push_failed().await;
            return Err(BuildError::Rejected(Rejection::Procfile));
        }
        let procfile = procfile.map(|text| String::from_utf8_lossy(&text).into_owned());
        Ok(procfile::discover(procfile.as_deref(), defaults, output).await)
    }

    /// Packs layers, which are held from then on, within the build's time and until it is cancelled.
    pub(crate) async fn pack(
        &self,
        process_types: ProcessTypes,
        until: Instant,
        cancel: &CancellationToken,
    ) -> Result<(Image, Hold), LayersError> {
        let declared = layers::declared(&self.report("layers", LAYERS_LIMIT_BYTES)?.unwrap_or_default());
        let limits = self.builder.config.limits;
        let (blobs, index, stack) =
            (self.builder.blobs.hold(), self.builder.layer_index(), self.stack.name().to_owned());
        let (prepared, cancel) = (Arc::clone(self.prepared), cancel.clone());
        let work = move || {
            let packing = Packing {
                blobs: &blobs,
                index: &index,
                disk: &prepared.scratch.root(),
                build_folder: &prepared.build_folder,
                limit: TreeLimit { size_bytes: limits.disk_bytes, entries: limits.disk_bytes / 4096 },
                slug_bytes: limits.slug_bytes,
                stop: &|| cancel.is_cancelled() || Instant::now() >= until,
            };
            let layers = packing.layers(&declared)?;
            let image = Image::create(&blobs, NewImage { layers, stack, process_types }).map_err(Platform::from)?;
            Ok((image, blobs))
        };
        tokio::task::spawn_blocking(work).await.map_err(Platform::from)?
    }
}

/// A `bin/release` that prints nonsense fails the build, as on Heroku.
async fn defaults(text: &[u8], events: &Events, output: &mut Output) -> Result<ProcessTypes, BuildError> {
    match release_yaml::default_process_types(&String::from_utf8_lossy(text)) {
        Ok(defaults) => Ok(defaults),
        Err(error) => {
            let name = events.current_name().unwrap_or_default().to_owned();
            output.problem(&format!("{error}")).await;
            output.problem(&format!("Push rejected, failed to compile {name} app.")).await;
            output.push_failed().await;
            Err(BuildError::Rejected(Rejection::CompileFailed(name)))
        }
    }
}
