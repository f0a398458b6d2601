//! Why a build came to nothing: the app's fault, the platform's, or on request.

use std::io;
use std::path::{Path, PathBuf};

use crate::registry::RegistryError;

/// What a caller decides on. The text for the user is in the output already,
/// but for [`BuildError::Platform`], which is the operator's to read.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error("the build was rejected: {0}")]
    Rejected(Rejection),
    #[error("the build was cancelled")]
    Cancelled,
    #[error(transparent)]
    Platform(#[from] Platform),
}

/// The app's fault: the output says so in the words that tools match.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    #[error("the source could not be unpacked")]
    Source,
    #[error("no buildpack detects this app")]
    NothingDetected,
    #[error("the buildpack {0} does not detect this app")]
    NotCompatible(String),
    #[error("the buildpack {0} can't be had")]
    NoSuchBuildpack(String),
    #[error("failed to compile {0} app")]
    CompileFailed(String),
    #[error("the build took too long")]
    TimedOut,
    #[error("the build used too much memory")]
    OutOfMemory,
    #[error("the build filled its disk")]
    DiskFull,
    #[error("the slug is too large")]
    TooLarge,
    #[error("the Procfile is too large")]
    Procfile,
    #[error("the stack {0} does not exist")]
    NoSuchStack(String),
    /// The dyno ended in no known way; code that ran in it may have killed it.
    #[error("the build ended without a result")]
    Ended,
}

/// The platform's fault.
#[derive(Debug, thiserror::Error)]
pub enum Platform {
    #[error("could not {doing} `{}`", path.display())]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
    #[error("{program} failed: {words}")]
    Program { program: &'static str, words: String },
    #[error("the source could not be read")]
    Source(#[source] io::Error),
    #[error(transparent)]
    Stack(#[from] stack::EnsureError),
    #[error(transparent)]
    Start(#[from] runtime::StartError),
    #[error(transparent)]
    Runtime(#[from] runtime::RuntimeError),
    #[error(transparent)]
    Image(#[from] images::ImageError),
    #[error(transparent)]
    Pack(#[from] images::PackError),
    #[error(transparent)]
    Blob(#[from] images::BlobError),
    #[error("a part of the build panicked")]
    Panicked(#[from] tokio::task::JoinError),
}

/// Why the builder can't begin its work.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("could not {doing} `{}`", path.display())]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error(transparent)]
    Fetcher(#[from] fetch::OpenError),
}

pub(crate) fn io_error(doing: &'static str, path: &Path, source: io::Error) -> Platform {
    Platform::Io { doing, path: path.to_owned(), source }
}
