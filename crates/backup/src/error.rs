//! Why a backup was not made, or is no good.

use std::io;
use std::path::PathBuf;

use store::StoreError;

#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("`{}` is not a data directory of Renga: it has no database", .0.display())]
    NotADataDir(PathBuf),
    #[error("could not read `{}`", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("could not write `{}`", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("could not write the archive")]
    Archive(#[source] io::Error),
    #[error("could not read the archive; is it a backup, and whole?")]
    Unreadable(#[source] io::Error),
    #[error("the backup is damaged: {}", .0.join("; "))]
    Damaged(Vec<String>),
    #[error(
        "the backup has the format {found}, and this program knows {known} only: use the Renga that made it, or a newer one"
    )]
    Format { found: u32, known: u32 },
    #[error("could not copy the database")]
    Copy(#[source] StoreError),
    #[error("the keys could not be read as they belong to the database; they changed {0} times meanwhile")]
    KeysChange(u32),
    #[error("the repository `{}` changed {times} times while it was read", path.display())]
    Busy { path: PathBuf, times: u32 },
    #[error("`{}` is not empty: restore into a directory that is", .0.display())]
    NotEmpty(PathBuf),
    #[error("could not start")]
    Start(#[source] io::Error),
}
