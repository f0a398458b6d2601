//! A dyno, ready to be made.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Record;

/// A dyno, ready to be made: every decision is taken, every path is the host's.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(crate) record: Record,
    pub(crate) first_id: u32,
    pub(crate) hostname: String,
    pub(crate) root: PlanRoot,
    /// Directories to lay over each other at `/app`, the first lowest.
    pub(crate) layers: Vec<PathBuf>,
    /// Small files over those of the stack.
    pub(crate) files: Vec<PlanFile>,
    pub(crate) command: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) cwd: PathBuf,
    pub(crate) mounts: Vec<PlanMount>,
    pub(crate) cgroup: PlanCgroup,
    pub(crate) disk: PlanDisk,
    pub(crate) shm_bytes: u64,
    pub(crate) scratch: PathBuf,
    pub(crate) dir: PathBuf,
    pub(crate) stdio: PlanStdio,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PlanRoot {
    /// A mounted root filesystem.
    Mounted(PathBuf),
    Host,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PlanFile {
    /// Relative to the dyno's root.
    pub(crate) path: PathBuf,
    pub(crate) content: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PlanMount {
    pub(crate) source: PathBuf,
    pub(crate) target: PathBuf,
    pub(crate) read_only: bool,
}

/// Groups that exist and have their limits; the dyno has but to join.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PlanCgroup {
    /// The one in the v2 hierarchy, if there is one.
    pub(crate) unified: Option<PathBuf>,
    /// Those in v1 hierarchies.
    pub(crate) legacy: Vec<PathBuf>,
    /// The file with the `oom_kill` counter.
    pub(crate) oom: PathBuf,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PlanDisk {
    /// An ext4 image of its own, copied from this template.
    Image { template: PathBuf },
    /// A plain directory: nothing limits what is written.
    Directory,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PlanStdio {
    Logged,
    /// Descriptors: stdin, output, lifeline.
    Pipes,
    /// Descriptors: lifeline.
    Terminal {
        columns: u16,
        rows: u16,
    },
}
