//! Bare repositories on disk, as far as git itself is not needed.

use std::fs::{self, DirEntry, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, chown};
use std::path::Path;

use nix::unistd::geteuid;

use crate::process::USER_ID;

const CONFIG: &str = "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n";

/// What a checkout would give is what a build gets: the attributes that would
/// make `git archive` leave out or rewrite files are off, and so are filters.
const ATTRIBUTES: &str = "* -export-ignore -export-subst -filter\n";

/// Makes an empty bare repository whose `HEAD` is `main`. Does nothing if
/// there is one already. The directory appears whole or not at all.
pub fn init(path: &Path) -> io::Result<()> {
    if path.exists() {
        return Ok(());
    }
    let parent = path.parent().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    fs::create_dir_all(parent)?;
    let new = parent.join(format!(".new-{:032x}", rand::random::<u128>()));
    let made = fill(&new).and_then(|()| fs::rename(&new, path));
    if let Err(error) = made {
        // Best effort: the first error is the one to tell.
        let _ = fs::remove_dir_all(&new);
        // Someone else was faster.
        return if path.join("HEAD").exists() { Ok(()) } else { Err(error) };
    }
    Ok(())
}

fn fill(path: &Path) -> io::Result<()> {
    let dirs = ["", "objects", "objects/info", "objects/pack", "refs", "refs/heads", "refs/tags", "info"];
    for dir in dirs {
        let dir = path.join(dir);
        fs::DirBuilder::new().mode(0o700).create(&dir)?;
        give_to_git(&dir)?;
    }
    write_new(&path.join("HEAD"), "ref: refs/heads/main\n")?;
    write_new(&path.join("config"), CONFIG)?;
    write_new(&path.join("info/attributes"), ATTRIBUTES)
}

fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut file: File = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    give_to_git(path)
}

fn give_to_git(path: &Path) -> io::Result<()> {
    if geteuid().is_root() { chown(path, Some(USER_ID), Some(USER_ID)) } else { Ok(()) }
}

/// What the repository takes on disk, in bytes.
pub fn size_bytes(path: &Path) -> io::Result<u64> {
    let mut size = 0;
    walk(path, &mut |entry| {
        // 512-byte blocks; a file that vanished meanwhile takes nothing.
        size += entry.metadata().map_or(0, |found| found.blocks() * 512);
        Ok(())
    })?;
    Ok(size)
}

/// Lets `HEAD`, and so a clone, follow the branch that was deployed last.
pub(crate) fn set_head(path: &Path, branch: &str) -> io::Result<()> {
    let text = format!("ref: refs/heads/{branch}\n");
    if fs::read_to_string(path.join("HEAD"))? == text {
        return Ok(());
    }
    let new = path.join(format!("HEAD.{:032x}", rand::random::<u128>()));
    write_new(&new, &text)?;
    fs::rename(new, path.join("HEAD"))
}

/// Removes what killed git processes left: quarantined and half-written packs,
/// and locks. Only while no git works on the repository.
pub(crate) fn sweep(path: &Path) -> io::Result<()> {
    for entry in entries(&path.join("objects"))? {
        if has_name(&entry, |name| name.starts_with("tmp_objdir-") || name.starts_with("incoming-")) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    for entry in entries(&path.join("objects/pack"))? {
        if has_name(&entry, |name| name.starts_with("tmp_") || name.starts_with(".tmp-")) {
            fs::remove_file(entry.path())?;
        }
    }
    let remove_lock = &mut |entry: &DirEntry| {
        let is_lock = entry.file_type()?.is_file() && has_name(entry, |name| name.ends_with(".lock"));
        if is_lock { fs::remove_file(entry.path()) } else { Ok(()) }
    };
    entries(path)?.iter().try_for_each(&mut *remove_lock)?;
    walk(&path.join("refs"), remove_lock)
}

/// Whether so many loose objects or packs have gathered that git gets slow
/// (git's own measure: a 256th of the loose objects, seen in one directory).
pub(crate) fn needs_packing(path: &Path) -> io::Result<bool> {
    let loose = match fs::read_dir(path.join("objects/17")) {
        Ok(entries) => entries.count(),
        Err(_) => 0,
    };
    let is_pack = |entry: &DirEntry| has_name(entry, |name| name.ends_with(".pack"));
    let packs = entries(&path.join("objects/pack"))?.into_iter().filter(is_pack).count();
    Ok(loose > 12 || packs > 40)
}

fn has_name(entry: &DirEntry, matches: impl Fn(&str) -> bool) -> bool {
    entry.file_name().to_str().is_some_and(matches)
}

fn entries(dir: &Path) -> io::Result<Vec<DirEntry>> {
    fs::read_dir(dir)?.collect()
}

/// Every file below `dir`; does not follow links.
fn walk(dir: &Path, visit: &mut dyn FnMut(&DirEntry) -> io::Result<()>) -> io::Result<()> {
    let found = match entries(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    for entry in found {
        if entry.file_type()?.is_dir() { walk(&entry.path(), visit)? } else { visit(&entry)? }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_repository_is_one_to_git() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("app.git");
        init(&path).unwrap();
        init(&path).unwrap();
        let mut git = std::process::Command::new("git");
        git.args(["-c", "safe.directory=*", "-C"]).arg(&path).args(["fsck", "--strict"]);
        let Ok(output) = git.output() else {
            eprintln!("skipped: git is not installed");
            return;
        };
        assert!(output.status.success(), "{output:?}");
        assert!(size_bytes(&path).unwrap() > 0);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn head_follows_the_deployed_branch() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("app.git");
        init(&path).unwrap();
        set_head(&path, "master").unwrap();
        assert_eq!(fs::read_to_string(path.join("HEAD")).unwrap(), "ref: refs/heads/master\n");
    }

    #[test]
    fn a_sweep_takes_leftovers_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("app.git");
        init(&path).unwrap();
        fs::create_dir_all(path.join("objects/tmp_objdir-incoming-x1/pack")).unwrap();
        fs::create_dir_all(path.join("refs/heads/feature")).unwrap();
        let leftovers = ["objects/pack/tmp_pack_x", "refs/heads/feature/a.lock", "packed-refs.lock"];
        let kept = ["objects/pack/pack-1.pack", "refs/heads/feature/a", "HEAD"];
        for file in leftovers.iter().chain(&kept[..2]) {
            fs::write(path.join(file), "").unwrap();
        }
        sweep(&path).unwrap();
        assert!(!path.join("objects/tmp_objdir-incoming-x1").exists());
        assert!(leftovers.iter().all(|file| !path.join(file).exists()));
        assert!(kept.iter().all(|file| path.join(file).exists()));
    }
}
