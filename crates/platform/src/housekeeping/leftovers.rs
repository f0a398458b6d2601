//! What was being written when a server was killed.
//!
//! One server at a time uses a data directory, so what no one has written to
//! since this one started is nobody's any more.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Context;

use super::measure::{present, size_of};
use super::run::{Run, blocking};
use super::{Found, Garbage};

impl Run<'_> {
    pub(super) async fn leftovers(&self) -> anyhow::Result<Found> {
        let platform = self.platform;
        let (blobs, data_dir) = (platform.images.clone(), platform.settings.data_dir.clone());
        let (started, dry_run) = (platform.started, self.dry_run);
        let mut found = blocking(move || {
            let mut left = blobs.left_unfinished(started)?;
            // Names that no finished file has: `.new-…` of a repository, `.tmp…` of an index entry.
            for (folder, prefix) in [("git", ".new-"), ("cache/layers", ".tmp")] {
                left.extend(older_than(started, &data_dir.join(folder), prefix)?);
            }
            let mut found = Found::nothing(Garbage::Leftovers);
            for path in left {
                found.add(size_of(&path)?.bytes);
                if !dry_run {
                    remove(&path).with_context(|| format!("could not remove `{}`", path.display()))?;
                }
            }
            Ok(found)
        })
        .await?;
        for bytes in self.old_sources().await? {
            found.add(bytes);
        }
        Ok(found)
    }

    /// Uploads that no build has taken for a day.
    async fn old_sources(&self) -> anyhow::Result<Vec<u64>> {
        let mut sizes = Vec::new();
        for (id, path) in self.platform.old_sources().await? {
            sizes.push(blocking(move || Ok(size_of(&path)?.bytes)).await?);
            if !self.dry_run {
                self.platform.forget_source(id).await?;
            }
        }
        Ok(sizes)
    }
}

fn older_than(moment: SystemTime, folder: &Path, prefix: &str) -> anyhow::Result<Vec<PathBuf>> {
    let mut older = Vec::new();
    for entry in present(fs::read_dir(folder))?.into_iter().flatten() {
        let entry = entry?;
        if !entry.file_name().to_string_lossy().starts_with(prefix) {
            continue;
        }
        let Some(metadata) = present(entry.metadata())? else { continue };
        if metadata.modified()? < moment {
            older.push(entry.path());
        }
    }
    Ok(older)
}

fn remove(path: &Path) -> std::io::Result<()> {
    let is_folder = present(fs::symlink_metadata(path))?.is_some_and(|found| found.is_dir());
    present(if is_folder { fs::remove_dir_all(path) } else { fs::remove_file(path) }).map(|_| ())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn only_old_files_of_that_name_are_left_over() {
        let dir = tempfile::tempdir().unwrap();
        for name in [".tmpAbc", "kept.tgz"] {
            fs::write(dir.path().join(name), "x").unwrap();
        }
        fs::create_dir(dir.path().join(".tmpFolder")).unwrap();
        let (hour, now) = (Duration::from_secs(3600), SystemTime::now());
        assert!(older_than(now - hour, dir.path(), ".tmp").unwrap().is_empty());
        let mut left = older_than(now + hour, dir.path(), ".tmp").unwrap();
        left.sort();
        assert_eq!(left, [dir.path().join(".tmpAbc"), dir.path().join(".tmpFolder")]);
        for path in left {
            remove(&path).unwrap();
            assert!(!path.exists());
            remove(&path).unwrap();
        }
        assert!(older_than(now, &dir.path().join("absent"), "").unwrap().is_empty());
    }
}
