//! What the git server must be told.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, Clone)]
pub struct Config {
    /// The directory in which the repositories lie; made if absent.
    pub repositories: PathBuf,
    /// A directory of our own for the hook and its socket, remade at start.
    /// Its path must be shorter than 90 bytes (a socket's limit).
    pub run_dir: PathBuf,
    /// The program (absolute) and first arguments that lead to
    /// [`crate::hook_main`], such as `/usr/bin/renga git-hook`.
    pub hook_command: Vec<OsString>,
    pub limits: Limits,
}

/// What one push or fetch may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// A push's request, and the pack in it. Also the largest file that git
    /// may write.
    pub push_bytes: u64,
    /// Address space of each git process.
    pub memory_bytes: u64,
    /// CPU time of each git process.
    pub cpu: Duration,
    /// Requests that run git at the same time; more are refused with 503.
    pub sessions: usize,
    /// How long a client may send nothing in the middle of a request.
    pub idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            push_bytes: 1 << 30,
            memory_bytes: 4 << 30,
            cpu: Duration::from_secs(300),
            sessions: 64,
            idle: Duration::from_secs(60),
        }
    }
}
