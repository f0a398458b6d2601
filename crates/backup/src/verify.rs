//! Telling whether an archive would bring the platform back.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;

use store::{MasterKeys, Snapshot};

use crate::Progress;
use crate::contents::{BLOBS, DATABASE, KEYS};
use crate::error::BackupError;
use crate::manifest::{Manifest, Summary};
use crate::unpack::unpack;

/// Reads all of `archive`: every checksum must fit, the database must be whole,
/// the keys must open what it seals, and every slug that the backup claims must
/// be there. Database and keys are unpacked into a temporary directory for that.
/// Blocks.
pub fn verify(archive: impl Read, progress: &mut dyn FnMut(Progress<'_>)) -> Result<Summary, BackupError> {
    let folder = tempfile::tempdir().map_err(|source| BackupError::Write { path: std::env::temp_dir(), source })?;
    let is_looked_into = |path: &str| path == DATABASE || path.starts_with(KEYS);
    let manifest = unpack(archive, folder.path(), is_looked_into, progress)?;
    check_truth(folder.path(), &manifest)?;
    Ok(manifest.summary)
}

/// Looks into an unpacked database and its keys.
pub(crate) fn check_truth(folder: &Path, manifest: &Manifest) -> Result<(), BackupError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(BackupError::Start)?;
    let faults = runtime.block_on(faults_of(folder, manifest))?;
    if faults.is_empty() { Ok(()) } else { Err(BackupError::Damaged(faults)) }
}

async fn faults_of(folder: &Path, manifest: &Manifest) -> Result<Vec<String>, BackupError> {
    let missing = |what: &str| BackupError::Damaged(vec![format!("it has no {what}")]);
    let (database, keys) = (folder.join(DATABASE), folder.join(KEYS));
    if !database.is_file() {
        return Err(missing(DATABASE));
    }
    if !keys.is_dir() {
        return Err(missing(KEYS));
    }
    let keys = MasterKeys::open_or_create(&keys).map_err(|error| BackupError::Damaged(vec![error.to_string()]))?;
    let mut copy = Snapshot::open(&database).await.map_err(BackupError::Copy)?;
    let mut faults = copy.damage().await.map_err(BackupError::Copy)?;
    if let Err(error) = copy.unseal_all(&keys).await {
        faults.push(error.to_string());
    }
    let absent: BTreeSet<&str> = manifest.summary.absent_images.iter().map(String::as_str).collect();
    for slug in copy.images().await.map_err(BackupError::Copy)? {
        let name = slug.manifest.to_string();
        let blobs = manifest.images.get(&name);
        let is_there = blobs.is_some_and(|blobs| blobs.iter().all(|blob| manifest.files.contains_key(blob)));
        if !is_there && !absent.contains(name.as_str()) {
            faults.push(format!("the slug {name} is not whole"));
        }
    }
    copy.close().await.map_err(BackupError::Copy)?;
    // A blob's name is its content's digest.
    let misnamed = manifest.files.iter().filter_map(|(path, sum)| {
        let name = path.strip_prefix(BLOBS)?.strip_prefix("/sha256/")?;
        (name != sum.sha256).then(|| format!("{path} holds something else than its name says"))
    });
    faults.extend(misnamed);
    Ok(faults)
}
