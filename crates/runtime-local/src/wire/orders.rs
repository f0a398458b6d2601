//! What the server asks of the keeper, and what the keeper answers.

use domain::DynoId;
use serde::{Deserialize, Serialize};

use super::{Known, Plan};

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Request {
    pub(crate) id: u64,
    #[serde(flatten)]
    pub(crate) order: Order,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case")]
pub(crate) enum Order {
    /// Descriptors: the network namespace, then those of [`PlanStdio`].
    Start {
        plan: Box<Plan>,
    },
    Stop {
        dyno: DynoId,
        grace_ms: u64,
    },
    /// Kills it if it runs; answered once it is gone and forgotten.
    /// The answer brings the network namespace back.
    Forget {
        dyno: DynoId,
    },
    List,
    /// Stops all dynos and ends the keeper; answered when all have ended.
    Shutdown {
        grace_ms: u64,
    },
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Reply {
    pub(crate) id: u64,
    /// How many of the descriptors on their way belong to this reply.
    pub(crate) descriptors: usize,
    pub(crate) result: Result<Answer, Refusal>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
    /// With the host's number of pid 1. Descriptors: the terminal's master, if
    /// one was asked for.
    Started(i32),
    Done,
    Dynos(Vec<Known>),
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Refusal {
    pub(crate) kind: RefusalKind,
    pub(crate) what: String,
    /// `errno`, where the kernel refused.
    pub(crate) code: Option<i32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RefusalKind {
    NoSuchDyno,
    Failed,
}
