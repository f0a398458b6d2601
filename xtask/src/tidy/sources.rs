//! Words and names that have no place in the sources.

use std::process::Command;

use anyhow::{Context, bail};

/// One noun a file: what is longer than this holds two.
const LONG_LINES: usize = 420;

/// Marks of what is not finished, or not looked at. (Put together here, so
/// that this file does not hold them.)
const WORDS: [(&str, &str); 5] = [
    (concat!("TO", "DO"), "do it, or open an issue"),
    (concat!("FIX", "ME"), "mend it, or open an issue"),
    (concat!("#[ig", "nore"), "assert what holds today and say why it is wrong"),
    (concat!("allow(dead", "_code"), "remove what nobody uses"),
    (concat!("allow(clip", "py"), "use expect, with a reason"),
];

/// Code without a home shows a missing noun.
const NAMES: [&str; 5] = ["utils.rs", "util.rs", "common.rs", "helpers.rs", "misc.rs"];

pub(super) struct File {
    path: String,
    text: String,
}

/// All files of ours that hold Rust.
pub(super) fn files() -> anyhow::Result<Vec<File>> {
    let root = e2e::workspace_root();
    let output = Command::new("git").args(["ls-files", "-z", "--", "*.rs"]).current_dir(&root).output();
    let output = output.context("could not start git")?;
    if !output.status.success() {
        bail!("git ls-files failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    let listed = String::from_utf8(output.stdout).context("a path is not UTF-8")?;
    let mut files = Vec::new();
    for path in listed.split_terminator('\0').filter(|path| root.join(path).exists()) {
        let text = std::fs::read_to_string(root.join(path)).with_context(|| format!("could not read {path}"))?;
        files.push(File { path: path.to_owned(), text });
    }
    Ok(files)
}

pub(super) fn faults(files: &[File]) -> Vec<String> {
    let mut faults = Vec::new();
    for File { path, text } in files {
        let name = path.rsplit('/').next().unwrap_or(path);
        if NAMES.contains(&name) {
            faults.push(format!("{path}: name the file after what it holds"));
        }
        if !text.trim_start().starts_with("//!") {
            faults.push(format!("{path}: begin with `//!` and what the file is for"));
        }
        for (number, line) in text.lines().enumerate() {
            for (word, advice) in WORDS.iter().filter(|(word, _)| line.contains(word)) {
                faults.push(format!("{path}:{}: `{word}`: {advice}", number + 1));
            }
        }
    }
    faults
}

pub(super) fn long(files: &[File]) -> Vec<String> {
    let lines = |file: &File| file.text.lines().count();
    let long = files.iter().filter(|file| lines(file) > LONG_LINES);
    long.map(|file| format!("{}: {} lines are too many, divide it by nouns", file.path, lines(file))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> File {
        File { path: path.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn unfinished_work_is_found_with_its_line() {
        let text = format!("//! Opens.\nfn x() {{}} // {}: later\n", WORDS[0].0);
        assert_eq!(faults(&[file("a/b.rs", &text)]).len(), 1);
        assert!(faults(&[file("a/b.rs", &text)])[0].starts_with("a/b.rs:2: "));
    }

    #[test]
    fn files_without_a_noun_or_an_opening_are_found() {
        assert_eq!(faults(&[file("a/utils.rs", "//! Everything.\n")]).len(), 1);
        assert_eq!(faults(&[file("a/app.rs", "use x;\n")]).len(), 1);
        assert!(faults(&[file("a/app.rs", "//! Apps.\n")]).is_empty());
    }

    #[test]
    fn long_files_are_named() {
        assert_eq!(long(&[file("a.rs", &"x\n".repeat(421)), file("b.rs", "x\n")]).len(), 1);
    }
}
