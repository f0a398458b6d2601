//! What the store fails with.

use std::path::PathBuf;

use crate::keys::SealError;

/// Why a verb failed for reasons that its caller did not ask about.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// What the verb was to work on, or something that it named, is not there
    /// (any more).
    #[error("the {0} is gone")]
    Gone(&'static str),
    /// The database can't be reached, is full, damaged or busy for too long.
    #[error("the database failed")]
    Database(#[source] sqlx::Error),
    /// What was read can't have been written by the platform.
    #[error("column `{column}` holds what should never have been written")]
    Corrupt { column: &'static str, source: Box<dyn std::error::Error + Send + Sync> },
    /// Config vars can't be sealed or opened.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// Work beside the database was cut off.
    #[error("work beside the database was cut off")]
    Task(#[source] tokio::task::JoinError),
    /// A password can't be hashed, or its stored hash can't be read.
    #[error("could not hash a password: {0}")]
    Password(String),
}

/// Why a database was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("could not make or protect `{}`", path.display())]
    File { path: PathBuf, source: std::io::Error },
    #[error("could not open the database at `{}`", path.display())]
    Open { path: PathBuf, source: sqlx::Error },
    #[error(
        "this database was last used by a newer version of Renga (its schema is at {found}, this program knows up to {known}): \
         start that version, or restore a backup made before it"
    )]
    Newer { found: i64, known: i64 },
    #[error("could not bring the database to this version's schema")]
    Migrate(#[source] sqlx::migrate::MigrateError),
    #[error(
        "config vars in this database are sealed with the key `{id}`, which `{}` lacks: restore that file from a backup",
        path.display()
    )]
    KeyMissing { id: String, path: PathBuf },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(refusal) if refusal.is_foreign_key_violation() => Self::Gone("app, account or slug"),
            _ => Self::Database(error),
        }
    }
}

/// Whether a row was refused because another has the same unique value.
pub(crate) fn is_taken(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|refusal| refusal.is_unique_violation())
}

/// Lets `?` turn a database error into an operation's own error.
macro_rules! from_database_error {
    ($error:ty) => {
        impl From<sqlx::Error> for $error {
            fn from(error: sqlx::Error) -> Self {
                Self::Store(error.into())
            }
        }
    };
}
pub(crate) use from_database_error;
