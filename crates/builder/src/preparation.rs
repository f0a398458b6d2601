//! What lies ready when a build's dyno starts.

use std::fs;

use crate::builder::{Builder, blocking};
use crate::driver;
use crate::error::{Platform, io_error};
use crate::furnish::furnish;
use crate::output::Output;
use crate::plan::Plan;
use crate::request::BuildRequest;
use crate::scratch::Scratch;

/// A disk with cache, buildpacks and config vars on it. Whoever has it deletes
/// or keeps the disk.
pub(crate) struct Preparation {
    pub(crate) scratch: Scratch,
    /// Names of folders on the disk.
    pub(crate) build_folder: String,
    pub(crate) env_folder: String,
}

impl Preparation {
    pub(crate) async fn make(builder: &Builder, request: &BuildRequest, output: &mut Output) -> Result<Self, Platform> {
        let build_folder = format!("build_{:08x}", rand::random::<u32>());
        let env_folder = format!("env_{:08x}", rand::random::<u32>());
        let folder = builder.builds().join(request.build.to_string());
        let cache = builder.caches.find(request.app);
        let disk_bytes = builder.config.limits.disk_bytes;
        let mut files = Vec::new();
        for (key, value) in request.config.iter() {
            if key.as_str().contains('/') || matches!(key.as_str(), "." | "..") {
                let text =
                    format!("Warning: the config var {key} can't be handed to buildpacks, which get them as files.");
                output.problem(&text).await;
                continue;
            }
            files.push((key.as_str().to_owned(), value.to_owned()));
        }
        let env = env_folder.clone();
        let scratch = blocking(move || {
            let scratch = Scratch::create(&folder, disk_bytes, cache.as_deref())?;
            match furnish(&scratch, &env, &files) {
                Ok(()) => Ok(scratch),
                Err(error) => {
                    scratch.delete()?;
                    Err(error)
                }
            }
        })
        .await?;
        Ok(Self { scratch, build_folder, env_folder })
    }

    /// Writes the plan where the driver reads it.
    pub(crate) fn plan(&self, plan: &Plan<'_>) -> Result<(), Platform> {
        let path = self.scratch.read_only_folder().join(driver::PLAN_NAME);
        fs::write(&path, plan.text()).map_err(|error| io_error("write", &path, error))
    }
}
