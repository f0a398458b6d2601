//! What is known of a dyno that was made.

use std::net::Ipv4Addr;
use std::path::PathBuf;

use domain::{AppId, DynoId};
use jiff::Timestamp;
use runtime::{Exit, ExitStatus};
use serde::{Deserialize, Serialize};

/// What stays known of a dyno after its start, also over a keeper's death.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) id: DynoId,
    pub(crate) app: AppId,
    pub(crate) label: String,
    /// Number of its network and of its range of user ids.
    pub(crate) slot: u16,
    pub(crate) address: Ipv4Addr,
    pub(crate) started_at: Timestamp,
    /// Names in `mounts/` of the images that it uses.
    pub(crate) images: Vec<String>,
    pub(crate) oom: PathBuf,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Known {
    pub(crate) record: Record,
    /// Of its pid 1, as the host numbers it; 0 once it has ended.
    pub(crate) pid: i32,
    pub(crate) exit: Option<Ended>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ended {
    pub(crate) at: Timestamp,
    pub(crate) status: Status,
    pub(crate) out_of_memory: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    Code(i32),
    Signal(i32),
    Unknown,
}

impl From<Ended> for Exit {
    fn from(ended: Ended) -> Self {
        let status = match ended.status {
            Status::Code(code) => ExitStatus::Code(code),
            Status::Signal(signal) => ExitStatus::Signal(signal),
            Status::Unknown => ExitStatus::Unknown,
        };
        Self { status, out_of_memory: ended.out_of_memory }
    }
}
