//! The built-in buildpacks: classic ones, carried in the binary.

use std::fs;
use std::io;
use std::os::unix::fs::{OpenOptionsExt, chown};
use std::path::Path;

use include_dir::{Dir, DirEntry, include_dir};
use runtime::USER_ID;

static FOLDERS: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../../buildpacks");

/// Asked in this order if the app names no buildpack (Heroku's order).
pub(crate) const LANGUAGES: [&str; 3] = ["heroku/nodejs", "heroku/python", "heroku/go"];
/// Asked after all languages have declined; the first that detects is taken.
pub(crate) const FALLBACKS: [&str; 2] = ["heroku/static", "heroku/procfile"];

/// Whether a buildpack in a folder of this name is carried in the binary.
pub(crate) fn is_built_in(folder: &str) -> bool {
    FOLDERS.get_dir(folder).is_some()
}

/// Writes all of them into `folder`, which must not exist yet, as a private
/// copy of the dyno's user: buildpacks may write into their own folders.
pub(crate) fn unpack(folder: &Path) -> io::Result<()> {
    make_folder(folder)?;
    write(&FOLDERS, folder)
}

fn write(from: &Dir<'_>, folder: &Path) -> io::Result<()> {
    for entry in from.entries() {
        let Some(name) = entry.path().file_name() else { continue };
        let path = folder.join(name);
        match entry {
            DirEntry::Dir(inner) => {
                make_folder(&path)?;
                write(inner, &path)?;
            }
            DirEntry::File(file) => {
                let in_bin = from.path().file_name().is_some_and(|name| name == "bin");
                let mode = if in_bin { 0o755 } else { 0o644 };
                let mut to = fs::File::options().create_new(true).write(true).mode(mode).open(&path)?;
                io::Write::write_all(&mut to, file.contents())?;
                own(&path)?;
            }
        }
    }
    Ok(())
}

fn make_folder(path: &Path) -> io::Result<()> {
    fs::create_dir(path)?;
    own(path)
}

/// Gives the file to the dyno's user, where this process may.
pub(crate) fn own(path: &Path) -> io::Result<()> {
    match chown(path, Some(USER_ID), Some(USER_ID)) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied && !nix::unistd::geteuid().is_root() => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::registry::{Registry, Source};

    #[test]
    fn every_built_in_buildpack_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let all = folder.path().join("buildpacks");
        unpack(&all).unwrap();
        let registry = Registry::carried();
        let folders = registry.entries().filter_map(|entry| match &entry.source {
            Source::BuiltIn(folder) => Some(folder),
            _ => None,
        });
        for sub in folders {
            for script in ["detect", "compile", "release"] {
                let path = all.join(sub).join("bin").join(script);
                let mode = fs::metadata(&path).unwrap_or_else(|_| panic!("{sub} lacks {script}")).permissions().mode();
                assert_eq!(mode & 0o777, 0o755, "{}", path.display());
            }
        }
    }

    #[test]
    fn detection_asks_built_in_buildpacks_only() {
        for name in LANGUAGES.iter().chain(&FALLBACKS) {
            let entry = Registry::carried().find(name).cloned();
            assert!(entry.is_some_and(|entry| matches!(entry.source, Source::BuiltIn(_))), "{name}");
        }
    }
}
