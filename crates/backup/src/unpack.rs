//! Reading an archive: sums are compared, and files written where wanted.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::Path;

use tar::{Archive, EntryType};

use crate::Progress;
use crate::archive::{Owner, Summed, sha256};
use crate::contents::{HEAD, MANIFEST, MANIFEST_DIGEST, belongs};
use crate::error::BackupError;
use crate::manifest::{FORMAT, Head, Manifest, Sum};

/// Head and manifest are small; a file that claims more is no backup.
const MOST_LISTED_BYTES: u64 = 1 << 30;

/// Reads all of an archive into `folder`, as far as `wanted`, and compares what
/// it holds with its manifest. Files get the owners that they had if this
/// process may do that.
pub(crate) fn unpack(
    archive: impl Read,
    folder: &Path,
    wanted: impl Fn(&str) -> bool,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Manifest, BackupError> {
    let mut tar = Archive::new(archive);
    let mut found: BTreeMap<String, Sum> = BTreeMap::new();
    let mut listed = BTreeMap::new();
    let mut bytes = 0;
    for entry in tar.entries().map_err(BackupError::Unreadable)? {
        let mut entry = entry.map_err(BackupError::Unreadable)?;
        let path = entry.path().map_err(BackupError::Unreadable)?.to_string_lossy().trim_end_matches('/').to_owned();
        if !belongs(Path::new(&path)) {
            return Err(BackupError::Damaged(vec![format!("`{path}` does not belong into a backup")]));
        }
        let owner = owner(entry.header()).map_err(BackupError::Unreadable)?;
        let to = folder.join(&path);
        let write = |source| BackupError::Write { path: to.clone(), source };
        match entry.header().entry_type() {
            EntryType::Directory if wanted(&path) => make_folder(&to, owner).map_err(write)?,
            EntryType::Directory => {}
            EntryType::Regular => {
                let mut summed = Summed::new(&mut entry);
                if [HEAD, MANIFEST, MANIFEST_DIGEST].contains(&path.as_str()) {
                    let mut content = Vec::new();
                    (&mut summed).take(MOST_LISTED_BYTES).read_to_end(&mut content).map_err(BackupError::Unreadable)?;
                    if path == HEAD {
                        check_format(&content)?;
                    }
                    listed.insert(path.clone(), content);
                } else if wanted(&path) {
                    write_file(&mut summed, &to, owner).map_err(write)?;
                } else {
                    io::copy(&mut summed, &mut io::sink()).map_err(BackupError::Unreadable)?;
                }
                let (size, sha256) = summed.end();
                bytes += size;
                let part = path.split('/').next().unwrap_or(&path).to_owned();
                found.insert(path, Sum { bytes: size, sha256 });
                progress(Progress { part: &part, files: found.len() as u64, bytes });
            }
            other => {
                return Err(BackupError::Damaged(vec![format!("`{path}` is neither file nor folder ({other:?})")]));
            }
        }
    }
    let manifest = manifest(&listed)?;
    compare(&manifest, found)?;
    Ok(manifest)
}

fn check_format(head: &[u8]) -> Result<(), BackupError> {
    let head: Head = serde_json::from_slice(head).map_err(|error| BackupError::Unreadable(error.into()))?;
    if head.format == FORMAT { Ok(()) } else { Err(BackupError::Format { found: head.format, known: FORMAT }) }
}

fn manifest(listed: &BTreeMap<String, Vec<u8>>) -> Result<Manifest, BackupError> {
    let lacks = |what: &str| BackupError::Damaged(vec![format!("it has no {what}: it was cut off, or is no backup")]);
    listed.get(HEAD).ok_or_else(|| lacks(HEAD))?;
    let manifest = listed.get(MANIFEST).ok_or_else(|| lacks(MANIFEST))?;
    let digest = listed.get(MANIFEST_DIGEST).ok_or_else(|| lacks(MANIFEST_DIGEST))?;
    if sha256(manifest).as_bytes() != digest.as_slice() {
        return Err(BackupError::Damaged(vec!["its manifest was changed".to_owned()]));
    }
    serde_json::from_slice(manifest).map_err(|error| BackupError::Unreadable(error.into()))
}

/// Every file as listed, and no other.
fn compare(manifest: &Manifest, mut found: BTreeMap<String, Sum>) -> Result<(), BackupError> {
    const MOST_TOLD: usize = 20;
    found.remove(MANIFEST);
    found.remove(MANIFEST_DIGEST);
    let mut faults = Vec::new();
    for (path, sum) in &manifest.files {
        match found.remove(path) {
            None => faults.push(format!("{path} is missing")),
            Some(other) if other != *sum => faults.push(format!("{path} has another content than was written")),
            Some(_) => {}
        }
    }
    faults.extend(found.into_keys().map(|path| format!("{path} is not in the manifest")));
    faults.truncate(MOST_TOLD);
    if faults.is_empty() { Ok(()) } else { Err(BackupError::Damaged(faults)) }
}

fn owner(header: &tar::Header) -> io::Result<Owner> {
    let id = |number: u64| u32::try_from(number).map_err(io::Error::other);
    Ok(Owner { mode: header.mode()? & 0o777, uid: id(header.uid()?)?, gid: id(header.gid()?)? })
}

fn make_folder(path: &Path, owner: Owner) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    settle(path, owner)
}

fn write_file(content: &mut impl Read, path: &Path, owner: Owner) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    io::copy(content, &mut file)?;
    settle(path, owner)?;
    file.sync_all()
}

/// Only root can give files away; anyone else keeps what he restores.
fn settle(path: &Path, owner: Owner) -> io::Result<()> {
    match chown(path, Some(owner.uid), Some(owner.gid)) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
        other => other?,
    }
    fs::set_permissions(path, Permissions::from_mode(owner.mode))
}
