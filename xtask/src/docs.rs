//! `cargo xtask docs`: what docs and code must say alike comes from the code.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;

const BEGIN: &str = "<!-- settings: made by `cargo xtask docs` -->\n";
const END: &str = "<!-- end of settings -->";

/// Writes the tables of the settings into their page.
pub(crate) fn write() -> anyhow::Result<ExitCode> {
    let path = page();
    let text = std::fs::read_to_string(&path).with_context(|| format!("could not read {}", path.display()))?;
    let new = with_tables(&text).context("docs/configuration.md has lost the marks between which the tables stand")?;
    std::fs::write(&path, new).with_context(|| format!("could not write {}", path.display()))?;
    Ok(ExitCode::SUCCESS)
}

fn page() -> PathBuf {
    e2e::workspace_root().join("docs/configuration.md")
}

fn with_tables(page: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}{}\n{END}{after}", configuration::table_for_docs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_of_the_settings_is_up_to_date() {
        let text = std::fs::read_to_string(page()).unwrap();
        assert!(with_tables(&text).as_ref() == Some(&text), "run `cargo xtask docs`, and commit docs/configuration.md");
    }
}
