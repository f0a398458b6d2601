//! What is to be built, and what came of it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use domain::buildpack::BuildpackRef;
use domain::procfile::{ProcessTypes, Warning};
use domain::{AppId, BuildId, ConfigVars, Digest};
use images::Hold;
use tokio::io::AsyncRead;

/// A tar archive, plain or compressed (gzip, xz, zstd, bzip2: seen by its
/// first bytes). Read to its end, or until the build has failed.
pub type Source = Box<dyn AsyncRead + Send + Unpin>;

pub struct BuildRequest {
    pub build: BuildId,
    pub app: AppId,
    pub origin: SourceOrigin,
    /// The commit, or `source_blob.version`: `SOURCE_VERSION` in the build.
    pub source_version: Option<String>,
    /// What the app has set; empty: the buildpacks detect.
    pub buildpacks: Vec<BuildpackRef>,
    /// Reach buildpacks as files only, as on Heroku.
    pub config: ConfigVars,
    /// A stack's name or alias (`debian-13`, `heroku-24`, `host`).
    pub stack: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceOrigin {
    /// The app lies at the top of the archive.
    Git,
    /// The app lies at the top, or in a folder that is alone there.
    Archive,
}

/// A finished build; its image lies in the blob store.
#[derive(Debug, Clone)]
pub struct Built {
    pub image: Digest,
    /// Keeps the image's blobs: to be dropped once a slug's row names them.
    pub hold: Arc<Hold>,
    pub process_types: ProcessTypes,
    /// Names to store as the app's buildpacks; empty if it had set some.
    pub detected: Vec<String>,
    /// What the buildpacks call themselves: `Node.js`.
    pub description: String,
    /// Of the canonical name: `debian-13`.
    pub stack: String,
    /// Compressed, without the stack.
    pub slug_size_bytes: u64,
    pub procfile_warnings: Vec<Warning>,
    /// How long each phase took, in order.
    pub timings: Vec<(Phase, Duration)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// For another build to end, and for the stack to be made.
    Wait,
    /// Disk, cache and dyno.
    Prepare,
    /// Everything inside the dyno: unpacking, buildpacks.
    Compile,
    /// Making layers of it.
    Pack,
}

impl Phase {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Wait => "wait",
            Self::Prepare => "prepare",
            Self::Compile => "compile",
            Self::Pack => "pack",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
