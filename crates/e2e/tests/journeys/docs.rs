//! The examples of the docs, run as they stand.
//!
//! All blocks of a page that are fenced as `sh` make one script, run from top
//! to bottom by bash, which stops at the first failure. The programs are on the
//! PATH, the server runs, and the page's first line may name an example whose
//! code lies in `your-app`: `<!-- your-app: node-hello -->`. Blocks fenced as
//! `console` need what a test can't have: another machine, a service manager, a
//! person at a terminal.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use e2e::{Person, Repository, workspace_root};

use crate::stage::Stage;

/// Every page below `docs/` that holds a script; `decisions/` aside.
pub(crate) fn pages() -> anyhow::Result<Vec<Page>> {
    let docs = workspace_root().join("docs");
    let mut folders = vec![docs.clone()];
    let mut pages = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() && !path.ends_with("decisions") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                let page = Page::read(&docs, &path)?;
                pages.extend((!page.script.is_empty()).then_some(page));
            }
        }
    }
    pages.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(pages)
}

/// A page of the docs and what it tells its readers to type.
pub(crate) struct Page {
    /// Its path below `docs/`.
    pub(crate) name: String,
    script: String,
    example: Option<String>,
}

impl Page {
    fn read(docs: &Path, path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("could not read {}", path.display()))?;
        let name = path.strip_prefix(docs)?.display().to_string();
        let example = text.lines().next().and_then(|line| line.strip_prefix("<!-- your-app: ")?.strip_suffix(" -->"));
        Ok(Self { name, script: script(&text)?, example: example.map(str::to_owned) })
    }

    /// Runs its script in a home where nothing has been done yet.
    pub(crate) fn run(&self, stage: &Stage) -> anyhow::Result<()> {
        let server = stage.server()?;
        let path = std::env::join_paths(program_folders(stage, server.program()))?;
        let path = path.to_str().context("a PATH of text")?;
        let data_dir = server.data_dir().to_str().context("a path of text")?;
        let owner = stage.owner()?.and("PATH", path).and("RENGA_DATA_DIR", data_dir);
        if let Some(example) = &self.example {
            Repository::of(&owner, example, "your-app")?;
        }
        self.follow(&owner)
    }

    fn follow(&self, reader: &Person) -> anyhow::Result<()> {
        let script = reader.folder("page.sh");
        std::fs::write(&script, &self.script)?;
        let ran = reader.run_in(reader.home(), "bash", &["-euo", "pipefail", "-x", "page.sh"])?;
        ran.ok().with_context(|| format!("docs/{} can't be followed", self.name)).map(|_| ())
    }
}

fn program_folders(stage: &Stage, program: &Path) -> Vec<PathBuf> {
    let own = program.parent().map(Path::to_owned);
    own.into_iter().chain(std::env::split_paths(stage.path())).collect()
}

/// What stands in the `sh` blocks.
fn script(text: &str) -> anyhow::Result<String> {
    let mut script = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(language) = line.trim_start().strip_prefix("```") else { continue };
        let indent = line.len() - line.trim_start().len();
        let block: Vec<&str> = lines.by_ref().take_while(|line| line.trim() != "```").collect();
        ensure!(!language.is_empty(), "a block without a language: `{}`", block.first().unwrap_or(&""));
        if language == "sh" {
            script.extend(block.iter().flat_map(|line| [line.get(indent..).unwrap_or_default(), "\n"]));
        }
    }
    Ok(script)
}
