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

/// Names, and the folder each stands for.
const NAMES: [(&str, &str); 6] = [
    ("heroku/nodejs", "nodejs"),
    ("heroku/python", "python"),
    ("heroku/go", "go"),
    ("heroku/static", "static"),
    ("heroku-community/static", "static"),
    ("heroku/procfile", "procfile"),
];

/// What `buildpacks:set` may name today, besides folders of the repository.
pub fn built_in_names() -> impl Iterator<Item = &'static str> {
    NAMES.into_iter().map(|(name, _)| name)
}

pub(crate) fn names() -> impl Iterator<Item = (&'static str, &'static str)> {
    NAMES.into_iter()
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

    #[test]
    fn every_name_stands_for_a_whole_buildpack() {
        let folder = tempfile::tempdir().unwrap();
        let all = folder.path().join("buildpacks");
        unpack(&all).unwrap();
        for (name, sub) in NAMES {
            for script in ["detect", "compile", "release"] {
                let path = all.join(sub).join("bin").join(script);
                let mode = fs::metadata(&path).unwrap_or_else(|_| panic!("{name} lacks {script}")).permissions().mode();
                assert_eq!(mode & 0o777, 0o755, "{}", path.display());
            }
        }
    }

    #[test]
    fn detection_asks_built_in_buildpacks_only() {
        for name in LANGUAGES.iter().chain(&FALLBACKS) {
            assert!(built_in_names().any(|known| known == *name), "{name}");
        }
    }
}
