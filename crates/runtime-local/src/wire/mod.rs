//! What server and keeper say to each other.
//!
//! The server keeps two connections to the keeper's socket: one for requests
//! and replies, one for output and exits. They are apart so that a server that
//! is slow to read output can still start and stop dynos. Each frame is a
//! length (4 bytes, big endian) and that many bytes: JSON, but for output and
//! acknowledgements. Descriptors travel with the first byte of their frame.

mod frame;
mod known;
mod notices;
mod orders;
mod plan;

use serde::{Deserialize, Serialize};

pub(crate) use frame::{json_frame, take_frame};
pub(crate) use known::{Ended, Known, Record, Status};
pub(crate) use notices::{Acknowledgement, Notice, append_output};
pub(crate) use orders::{Answer, Order, Refusal, RefusalKind, Reply, Request};
pub(crate) use plan::{Plan, PlanCgroup, PlanDisk, PlanFile, PlanMount, PlanRoot, PlanStdio};

/// Raised when a server of this version can't talk to older keepers.
pub(crate) const PROTOCOL: u32 = 1;

/// The first frame on a connection.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Hello {
    pub(crate) protocol: u32,
    pub(crate) role: Role,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Role {
    Control,
    Events,
}

/// The keeper's answer to [`Hello`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Welcome {
    pub(crate) protocol: u32,
    pub(crate) pid: u32,
}
