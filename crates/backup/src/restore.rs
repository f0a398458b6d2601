//! Bringing a platform back.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use crate::Progress;
use crate::contents::{DATABASE, belongs};
use crate::error::BackupError;
use crate::manifest::Summary;
use crate::unpack::unpack;
use crate::verify::check_truth;

/// A folder of this name in a data directory is a restore that was cut off, or
/// is under way: no server may start there.
pub const RESTORING: &str = ".renga-restoring";

/// Unpacks `archive` into the directory `data_dir`, which holds nothing but what
/// `may_stay` names. Only when all of it is there and found good is it
/// moved to its places, the database last: whoever is interrupted repeats it.
pub fn restore(
    archive: impl Read,
    data_dir: &Path,
    may_stay: impl Fn(&str) -> bool,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Summary, BackupError> {
    let write = |path: &Path| {
        let path = path.to_owned();
        move |source| BackupError::Write { path, source }
    };
    let staging = data_dir.join(RESTORING);
    if staging.is_dir() {
        clear(data_dir, &may_stay)?;
    }
    for name in names(data_dir)? {
        if !may_stay(&name) {
            return Err(BackupError::NotEmpty(data_dir.to_owned()));
        }
    }
    fs::create_dir(&staging).map_err(write(&staging))?;
    let unpacked = unpack(archive, &staging, |_| true, progress).and_then(|manifest| {
        check_truth(&staging, &manifest)?;
        Ok(manifest.summary)
    });
    let summary = match unpacked {
        Ok(summary) => summary,
        Err(error) => {
            fs::remove_dir_all(&staging).map_err(write(&staging))?;
            return Err(error);
        }
    };
    let mut parts = names(&staging)?;
    // Without a database there is no platform here yet.
    parts.sort_by_key(|name| name == DATABASE);
    for name in parts {
        let to = data_dir.join(&name);
        fs::rename(staging.join(&name), &to).map_err(write(&to))?;
    }
    sync(data_dir)?;
    fs::remove_dir(&staging).map_err(write(&staging))?;
    sync(data_dir)?;
    Ok(summary)
}

/// What an interrupted restore had moved already; nothing of anyone else's.
fn clear(data_dir: &Path, may_stay: &impl Fn(&str) -> bool) -> Result<(), BackupError> {
    let is_ours = |name: &str| name == RESTORING || belongs(Path::new(name));
    for name in names(data_dir)?.into_iter().filter(|name| is_ours(name) && !may_stay(name)) {
        let path = data_dir.join(name);
        let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.map_err(|source| BackupError::Write { path, source })?;
    }
    Ok(())
}

fn names(folder: &Path) -> Result<Vec<String>, BackupError> {
    let read = |source| BackupError::Read { path: folder.to_owned(), source };
    let entries = fs::read_dir(folder).map_err(read)?;
    let names: Result<Vec<String>, _> =
        entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect();
    names.map_err(read)
}

fn sync(folder: &Path) -> Result<(), BackupError> {
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|source| BackupError::Write { path: folder.to_owned(), source })
}
