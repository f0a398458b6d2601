//! What the operator decides about builds.

use std::path::PathBuf;
use std::time::Duration;

use stack::StackDir;

#[derive(Debug, Clone)]
pub struct BuilderConfig {
    /// The server's data directory: builds use `builds/` and `cache/` in it.
    pub data_dir: PathBuf,
    pub stacks: StackDir,
    /// Variables that reach every build beside Heroku's: proxies, registries.
    /// See [`crate::operator_environment`].
    pub environment: Vec<(String, String)>,
    pub limits: BuildLimits,
    pub buildpacks: BuildpackSources,
}

/// Where buildpacks may come from, beside the binary.
#[derive(Debug, Clone)]
pub struct BuildpackSources {
    /// The operator's registry; `None`: `buildpacks.toml` in the data
    /// directory, if it is there.
    pub registry: Option<PathBuf>,
    /// Fetched buildpacks are kept up to this size, all together.
    pub kept_bytes: u64,
    /// Whether they may be fetched from private addresses.
    pub allow_private: bool,
}

impl Default for BuildpackSources {
    fn default() -> Self {
        Self { registry: None, kept_bytes: 1024 * 1024 * 1024, allow_private: false }
    }
}

/// Bounds of one build; what passes them fails with a text that names them.
#[derive(Debug, Clone, Copy)]
pub struct BuildLimits {
    pub time: Duration,
    pub memory_bytes: u64,
    /// Processes and threads.
    pub processes: u32,
    /// Relative share of the CPU: 1 is one Standard-1X dyno.
    pub cpu_share: u32,
    /// Source, dependencies, cache and what the build makes, together.
    pub disk_bytes: u64,
    /// Of the slug, compressed.
    pub slug_bytes: u64,
    /// From here on a slug is called large.
    pub slug_warn_bytes: u64,
    /// Build output beyond this is left out, and the output says so.
    pub output_bytes: u64,
    /// A larger cache is thrown away after the build.
    pub cache_bytes: u64,
    /// Builds that run at the same time; others wait.
    pub concurrent: usize,
}

impl Default for BuildLimits {
    /// Heroku's numbers where it has some: 15 minutes, 2.5 GB, 1 GB per slug.
    fn default() -> Self {
        const MIB: u64 = 1024 * 1024;
        Self {
            time: Duration::from_secs(15 * 60),
            memory_bytes: 2560 * MIB,
            processes: 2048,
            cpu_share: 4,
            disk_bytes: 10 * 1024 * MIB,
            slug_bytes: 1024 * MIB,
            slug_warn_bytes: 300 * MIB,
            output_bytes: 64 * MIB,
            cache_bytes: 2048 * MIB,
            concurrent: 2,
        }
    }
}
