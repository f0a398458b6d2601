//! Stacks: the base root filesystems that apps are built and run on.
//!
//! A stack is bootstrapped once per machine from Debian's packages into one
//! squashfs file; all servers of the machine share it. The crate is light on
//! purpose: `cargo xtask up` prepares the stack with it while the server
//! still compiles.

mod bootstrap;
mod definition;
mod directory;
mod packages;
mod replaced;

pub use bootstrap::BootstrapError;
pub use definition::{Stack, UnknownStack};
pub use directory::{EnsureError, StackDir, StackImage};
pub use packages::{HostPackage, missing_packages, required_packages};
pub use replaced::Replaced;

/// Where stacks lie if the operator names no other place.
pub const DEFAULT_STACK_DIR: &str = "/var/lib/renga-stacks";
