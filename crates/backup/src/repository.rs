//! A bare repository as of one moment, while it is pushed to and repacked.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::archive::Owner;
use crate::error::BackupError;

/// Files and folders of a repository. They are open: a repack that removes
/// them meanwhile takes nothing away.
#[derive(Debug)]
pub(crate) struct Opened {
    /// By path inside the repository; parents come before what is in them.
    pub(crate) folders: BTreeMap<PathBuf, Owner>,
    pub(crate) files: BTreeMap<PathBuf, File>,
}

/// A repository that is pushed to all the time may be read this often.
const TRIES: u32 = 20;

/// Opens all that a repository is; `None` if it is gone.
pub(crate) fn open(repository: &Path) -> Result<Option<Opened>, BackupError> {
    for _ in 0..TRIES {
        match try_open(repository) {
            Ok(Some(opened)) => return Ok(Some(opened)),
            Ok(None) => {}
            // A file went while it was listed: a repack, or the end of the app.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if !repository.exists() {
                    return Ok(None);
                }
            }
            Err(source) => return Err(BackupError::Read { path: repository.to_owned(), source }),
        }
    }
    Err(BackupError::Busy { path: repository.to_owned(), times: TRIES })
}

/// `None` if a branch moved meanwhile: then the objects of the one that was
/// read may be gone.
fn try_open(repository: &Path) -> io::Result<Option<Opened>> {
    let before = branches(repository)?;
    let mut opened = Opened { folders: BTreeMap::new(), files: BTreeMap::new() };
    walk(repository, Path::new(""), &mut opened)?;
    Ok((branches(repository)? == before).then_some(opened))
}

/// All that names an object.
fn branches(repository: &Path) -> io::Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut named = BTreeMap::new();
    for top in ["HEAD", "packed-refs"] {
        match fs::read(repository.join(top)) {
            Ok(content) => {
                named.insert(top.into(), content);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    let mut waiting = vec![PathBuf::from("refs")];
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(repository.join(&folder))? {
            let entry = entry?;
            let path = folder.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                waiting.push(path);
            } else {
                named.insert(path, fs::read(entry.path())?);
            }
        }
    }
    Ok(named)
}

fn walk(repository: &Path, at: &Path, opened: &mut Opened) -> io::Result<()> {
    let mut waiting = vec![at.to_owned()];
    while let Some(folder) = waiting.pop() {
        let whole = repository.join(&folder);
        opened.folders.insert(folder.clone(), Owner::from(&fs::metadata(&whole)?));
        for entry in fs::read_dir(&whole)? {
            let entry = entry?;
            let name = entry.file_name();
            if is_passing(&name.to_string_lossy()) {
                continue;
            }
            let kind = entry.file_type()?;
            let path = folder.join(&name);
            if kind.is_dir() {
                waiting.push(path);
            } else if kind.is_file() {
                opened.files.insert(path, File::open(entry.path())?);
            }
        }
    }
    Ok(())
}

/// What git has only while it works.
fn is_passing(name: &str) -> bool {
    name.ends_with(".lock")
        || ["tmp_", ".tmp-", "incoming-", "HEAD."].iter().any(|beginning| name.starts_with(beginning))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_open_stays_readable_and_passing_files_are_left_out() {
        use std::io::Read;

        let dir = tempfile::tempdir().unwrap();
        let repository = dir.path().join("a.git");
        fs::create_dir_all(repository.join("refs/heads")).unwrap();
        fs::create_dir_all(repository.join("objects/pack")).unwrap();
        fs::create_dir_all(repository.join("objects/tmp_objdir-incoming-1")).unwrap();
        for (name, content) in [
            ("HEAD", "ref: refs/heads/main\n"),
            ("refs/heads/main", "1\n"),
            ("refs/heads/main.lock", ""),
            ("objects/pack/one.pack", "pack"),
            ("objects/tmp_objdir-incoming-1/x", "half"),
        ] {
            fs::write(repository.join(name), content).unwrap();
        }
        let opened = open(&repository).unwrap().unwrap();
        fs::remove_file(repository.join("objects/pack/one.pack")).unwrap();
        let names: Vec<&str> = opened.files.keys().map(|path| path.to_str().unwrap()).collect();
        assert_eq!(names, ["HEAD", "objects/pack/one.pack", "refs/heads/main"]);
        let mut content = String::new();
        (&opened.files[Path::new("objects/pack/one.pack")]).read_to_string(&mut content).unwrap();
        assert_eq!(content, "pack");
    }

    #[test]
    fn a_repository_that_is_gone_is_none() {
        let dir = tempfile::tempdir().unwrap();
        assert!(open(&dir.path().join("gone.git")).unwrap().is_none());
    }
}
