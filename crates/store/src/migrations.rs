//! Brings a database to this version's shape.

use std::borrow::Cow;

use sqlx::SqlSafeStr;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};

use crate::OpenError;
use crate::database::Database;

/// Number, name and text; a file that has been released never changes.
const ALL: &[(i64, &str, &str)] = &[
    (1, "platform", include_str!("../../../migrations/sqlite/0001_platform.sql")),
    (3, "housekeeping", include_str!("../../../migrations/sqlite/0003_housekeeping.sql")),
    (5, "compatibility", include_str!("../../../migrations/sqlite/0005_compatibility.sql")),
];

/// All or nothing, and under the write lock: two servers that start at the
/// same moment do it once.
pub(crate) async fn run(database: &Database) -> Result<(), OpenError> {
    let migrator = Migrator::with_migrations(ALL.iter().copied().map(migration).collect());
    let mut transaction = database.begin().await?;
    migrator.run_direct(None, &mut *transaction, false).await.map_err(|error| match error {
        MigrateError::VersionMissing(found) => {
            OpenError::Newer { found, known: ALL.last().map_or(0, |(number, ..)| *number) }
        }
        other => OpenError::Migrate(other),
    })?;
    transaction.commit().await.map_err(|error| OpenError::Store(error.into()))
}

fn migration((number, name, sql): (i64, &'static str, &'static str)) -> Migration {
    Migration::new(number, Cow::Borrowed(name), MigrationType::Simple, sql.into_sql_str(), false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_folder_is_listed_in_order() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../migrations/sqlite");
        let mut files: Vec<String> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        files.sort();
        let listed: Vec<String> = ALL.iter().map(|(number, name, _)| format!("{number:04}_{name}.sql")).collect();
        assert_eq!(files, listed);
    }
}
