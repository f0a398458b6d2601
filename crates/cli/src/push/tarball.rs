//! A folder as a tarball, built through the API.

use std::fs::File;
use std::io::{Seek, Write};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, bail};
use api_types::build::{Build, CreateBuild, SourceBlob};
use api_types::source::Source;
use serde_json::json;

use crate::api::typed;
use crate::app::App;
use crate::builds;

pub(super) fn push(app: &App, folder: &Path) -> anyhow::Result<ExitCode> {
    let folder = folder.canonicalize().with_context(|| format!("there is no folder `{}`", folder.display()))?;
    let source: Source = typed(&app.post("/sources", &json!({}))?)?;
    let (archive, size_bytes) = archive(&folder)?;
    eprintln!("Sending {} ({} KB)", folder.display(), size_bytes.div_ceil(1024));
    app.api.put(&source.source_blob.put_url, archive)?;
    let blob = SourceBlob { url: source.source_blob.get_url, ..SourceBlob::default() };
    let wish = serde_json::to_value(CreateBuild { source_blob: blob, buildpacks: None })?;
    let build: Build = typed(&app.post("/builds", &wish)?)?;
    eprintln!(
        "Building {}; Ctrl-C leaves the build alone, `renga builds:cancel --app {}` stops it",
        build.id, app.name
    );
    builds::follow(app, &build)
}

/// A compressed tarball, at its beginning, and its size.
fn archive(folder: &Path) -> anyhow::Result<(File, u64)> {
    let mut archive = tempfile::tempfile().context("could not make a file for the tarball")?;
    let mut tar = Command::new("tar");
    tar.args(["--create", "--gzip", "--owner=0", "--group=0", "--numeric-owner", "--directory"]).arg(folder);
    let names = wanted(folder)?;
    match &names {
        Some(_) => tar.args(["--no-recursion", "--null", "--verbatim-files-from", "--files-from=-"]),
        None => tar.args(["--exclude-vcs", "."]),
    };
    let output = archive.try_clone().context("could not open the tarball again")?;
    let mut child = tar.stdin(Stdio::piped()).stdout(output).spawn().context("could not start tar")?;
    if let Some(mut input) = child.stdin.take()
        && let Some(names) = names
    {
        input.write_all(&names).context("tar takes no names")?;
    }
    if !child.wait()?.success() {
        bail!("`{}` could not be packed: tar said why", folder.display());
    }
    let size_bytes = archive.stream_position()?;
    archive.rewind()?;
    Ok((archive, size_bytes))
}

/// The files of a folder, without those that its `.gitignore` names, each with
/// a zero behind it. Whether the folder is a repository does not matter.
/// `None`: git is not there to tell.
fn wanted(folder: &Path) -> anyhow::Result<Option<Vec<u8>>> {
    // An index of its own that holds nothing: every file is one that git does
    // not track, and only `.gitignore` decides.
    let scratch = tempfile::tempdir().context("could not make a scratch folder")?;
    let made = Command::new("git").args(["init", "--quiet"]).arg(scratch.path()).status();
    if !made.is_ok_and(|status| status.success()) {
        return Ok(None);
    }
    let listed = Command::new("git")
        .arg("--git-dir")
        .arg(scratch.path().join(".git"))
        .arg("--work-tree")
        .arg(folder)
        .args(["ls-files", "-z", "--others", "--exclude-standard"])
        .current_dir(folder)
        .output()
        .context("could not start git")?;
    if !listed.status.success() {
        bail!("git can't list `{}`: {}", folder.display(), String::from_utf8_lossy(&listed.stderr).trim());
    }
    if listed.stdout.is_empty() {
        bail!("there are no files in `{}` to build from", folder.display());
    }
    Ok(Some(listed.stdout))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let text = String::from_utf8(wanted(folder).unwrap().unwrap()).unwrap();
        let mut names: Vec<String> = text.split_terminator('\0').map(str::to_owned).collect();
        names.sort();
        names
    }

    #[test]
    fn ignored_files_stay_at_home_in_a_repository_and_outside_of_one() {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in
            [(".gitignore", "node_modules/\n*.log\n!keep.log\n"), ("app.js", ""), ("x.log", ""), ("keep.log", "")]
        {
            std::fs::write(dir.path().join(path), text).unwrap();
        }
        std::fs::create_dir_all(dir.path().join("node_modules/a")).unwrap();
        std::fs::write(dir.path().join("node_modules/a/index.js"), "").unwrap();
        let expected = [".gitignore", "app.js", "keep.log"];
        assert_eq!(names(dir.path()), expected);
        let made = Command::new("git").args(["init", "--quiet"]).arg(dir.path()).status().unwrap();
        assert!(made.success());
        assert_eq!(names(dir.path()), expected);
    }

    #[test]
    fn the_tarball_holds_the_files() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a file"), "text").unwrap();
        let (archive, size_bytes) = archive(dir.path()).unwrap();
        assert_eq!(archive.metadata().unwrap().len(), size_bytes);
        let listed = Command::new("tar").args(["--list", "--gzip"]).stdin(archive).output().unwrap();
        assert_eq!(String::from_utf8(listed.stdout).unwrap(), "a file\n");
    }

    #[test]
    fn an_empty_folder_is_nothing_to_build_from() {
        let dir = tempfile::tempdir().unwrap();
        assert!(archive(dir.path()).unwrap_err().to_string().contains("no files"));
    }
}
