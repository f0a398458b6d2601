//! A git repository with the code of an app.

use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::{Person, Ran, tools::workspace_root};

/// Lies in the home of the person who works on it.
pub struct Repository<'a> {
    person: &'a Person,
    path: PathBuf,
}

impl<'a> Repository<'a> {
    /// With one commit on `main`: the files of `crates/e2e/apps/NAME` or of
    /// `examples/NAME`.
    pub fn of(person: &'a Person, name: &str, folder: &str) -> anyhow::Result<Self> {
        let root = workspace_root();
        let candidates = [root.join("crates/e2e/apps").join(name), root.join("examples").join(name)];
        let source = candidates.iter().find(|path| path.is_dir()).with_context(|| format!("there is no app {name}"))?;
        let path = person.folder(folder);
        copy_folder(source, &path)?;
        let repository = Self { person, path };
        repository.git(&["init", "--quiet", "--initial-branch=main"])?.ok()?;
        repository.commit("First")?;
        Ok(repository)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn git(&self, arguments: &[&str]) -> anyhow::Result<Ran> {
        self.person.git(&self.path, arguments)
    }

    pub fn heroku(&self, arguments: &[&str]) -> anyhow::Result<Ran> {
        self.person.heroku_in(&self.path, arguments)
    }

    /// Renga's own client, in the repository.
    pub fn renga(&self, arguments: &[&str]) -> anyhow::Result<Ran> {
        self.person.run_in(&self.path, "renga", arguments)
    }

    /// Writes a file and commits it.
    pub fn change(&self, file: &str, text: &str) -> anyhow::Result<()> {
        let path = self.path.join(file);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(path, text)?;
        self.commit(&format!("Change {file}"))
    }

    pub fn push(&self) -> anyhow::Result<Ran> {
        self.git(&["push", "heroku", "main"])
    }

    /// The commit that `main` names.
    pub fn head(&self) -> anyhow::Result<String> {
        Ok(self.git(&["rev-parse", "main"])?.ok()?.stdout.trim().to_owned())
    }

    fn commit(&self, message: &str) -> anyhow::Result<()> {
        self.git(&["add", "--all"])?.ok()?;
        self.git(&["commit", "--quiet", "--message", message])?.ok()?;
        Ok(())
    }
}

/// A folder with all that is in it.
pub fn copy_folder(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
