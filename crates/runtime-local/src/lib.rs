//! Dynos as Linux containers on this machine, made by Renga itself.
//!
//! Three kinds of process take part:
//!
//! - The *server* holds a [`LocalRuntime`]. It decides and prepares: which
//!   network and range of user ids a dyno gets, its cgroups with their limits,
//!   the mounts of its images, the text of its `/etc`.
//! - The *keeper* ([`keeper_main`]), one per data directory, with one thread
//!   and no tokio. It clones dynos and holds what must outlive the server.
//! - Each dyno's *pid 1* is a clone of the keeper that builds its own walls,
//!   gives up every right, starts the app, and reaps.
//!
//! The server may stop, crash or be replaced at any time: dynos go on, their
//! output is kept (1 MiB per dyno; beyond, the oldest is dropped and counted)
//! and their exits are reported to the next server. If the keeper is killed,
//! its dynos die with it and are reported as [`runtime::ExitStatus::Unknown`]
//! by the keeper that takes its place.
//!
//! What the machine must have: Linux 5.19 or later as root, cgroups (v1, v2 or
//! both) with memory, pids and cpu, loop devices, squashfs, overlayfs, ext4,
//! `nft` and `mkfs.ext4`. Before Linux 6.2 the users of a squashfs can't be
//! mapped: there images are unpacked, by `unsquashfs`, instead of mounted, and
//! the data directory must lie on ext4, xfs or btrfs, whose users can. Two
//! things are the operator's: a service manager must end the server's process
//! only (systemd: `KillMode=process`, and no private mount namespace, since
//! server and keeper share mounts; the keeper has cgroups of its own, so that
//! it counts for no service), and where another tool drops forwarded
//! packets (Docker sets the FORWARD policy to DROP) it must let the bridge
//! `rg<instance>` pass.

mod attach;
mod cgroup;
mod client;
mod container;
mod disks;
mod down;
mod etc;
mod held;
mod ids;
mod images;
mod inventory;
mod keeper;
mod listening;
mod local;
mod network;
mod paths;
mod prepare;
mod seccomp;
mod start;
mod supervisor;
mod sweep;
mod sys;
mod tree;
mod wire;

pub use cgroup::CgroupError;
pub use down::{DownError, DownReport, down};
pub use inventory::{Inventory, inventory};
pub use keeper::{KeeperError, keeper_main};
pub use local::{Config, LocalRuntime, MOST_DYNOS, OpenError};
