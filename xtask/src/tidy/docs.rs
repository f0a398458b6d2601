//! What the docs promise: links that lead somewhere, crates that explain
//! themselves.

use std::path::{Component, Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

/// Pages with links to files that are not there, and crates whose front page
/// says too little.
pub(super) fn faults() -> anyhow::Result<Vec<String>> {
    let root = e2e::workspace_root();
    let mut faults = Vec::new();
    for page in listed(&root, "*.md")? {
        let text = std::fs::read_to_string(root.join(&page)).with_context(|| format!("could not read {page}"))?;
        let folder = Path::new(&page).parent().unwrap_or(Path::new(""));
        let broken = links(&text).filter(|link| !root.join(resolved(folder, link)).exists());
        faults.extend(broken.map(|link| format!("{page}: `{link}` is not there")));
    }
    for library in listed(&root, "crates/*/src/lib.rs")? {
        faults.extend(front_page_fault(&root, &library)?);
    }
    Ok(faults)
}

fn listed(root: &Path, pattern: &str) -> anyhow::Result<Vec<String>> {
    let output = Command::new("git").args(["ls-files", "-z", "--", pattern]).current_dir(root).output();
    let output = output.context("could not start git")?;
    if !output.status.success() {
        bail!("git ls-files failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    let listed = String::from_utf8(output.stdout).context("a path is not UTF-8")?;
    Ok(listed.split_terminator('\0').filter(|path| root.join(path).exists()).map(str::to_owned).collect())
}

/// The targets of a page's links to files, without the part behind `#`.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split_once(')').map(|(target, _)| target));
    let files = targets.map(|target| target.split('#').next().unwrap_or_default());
    files.filter(|file| !file.is_empty() && !file.contains("://") && !file.starts_with("mailto:"))
}

/// `link` as seen from the repository's top.
fn resolved(folder: &Path, link: &str) -> PathBuf {
    let mut path = PathBuf::new();
    for component in folder.join(link).components() {
        match component {
            Component::ParentDir => {
                path.pop();
            }
            other => path.push(other),
        }
    }
    path
}

/// A stranger reads the first lines of a crate, and then an example.
fn front_page_fault(root: &Path, library: &str) -> anyhow::Result<Option<String>> {
    let text = std::fs::read_to_string(root.join(library))?;
    let words = text.lines().take_while(|line| line.starts_with("//!")).flat_map(str::split_whitespace).count();
    if words < 15 {
        return Ok(Some(format!("{library}: say in a paragraph what the crate is for")));
    }
    let folder = library.strip_suffix("src/lib.rs").unwrap_or(library);
    let shows = text.contains("//! ```") || root.join(folder).join("examples").is_dir();
    Ok((!shows).then(|| format!("{library}: show an example, as a doc test or in {folder}examples")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_to_files_are_found() {
        let text = "[a](one.md) [b](two.md#part) [c](#here) [d](https://example.com/x) ![e](../f.png)";
        assert_eq!(links(text).collect::<Vec<_>>(), ["one.md", "two.md", "../f.png"]);
    }

    #[test]
    fn links_are_seen_from_the_top() {
        assert_eq!(resolved(Path::new("docs/languages"), "../buildpacks.md"), Path::new("docs/buildpacks.md"));
    }
}
