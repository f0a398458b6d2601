//! Commands of a topic may be written with a colon or with a blank:
//! `ps:scale` and `ps scale` are the same.

use std::ffi::OsString;

/// Joins the first two words (after the program's name) if they make a command
/// together. `run` is left alone: what follows it is someone else's command.
pub fn joined(arguments: impl IntoIterator<Item = OsString>, root: &clap::Command) -> Vec<OsString> {
    let mut words: Vec<OsString> = arguments.into_iter().collect();
    let joined = match (words.get(1).and_then(|word| word.to_str()), words.get(2).and_then(|word| word.to_str())) {
        (Some(topic), Some(verb)) if topic != "run" => format!("{topic}:{verb}"),
        _ => return words,
    };
    if root.find_subcommand(&joined).is_some() {
        words.splice(1..3, [joined.into()]);
    }
    words
}

#[cfg(test)]
mod tests {
    use clap::Subcommand;

    use super::*;

    fn spelled(line: &str) -> String {
        let root = crate::Command::augment_subcommands(clap::Command::new("renga"));
        let words = joined(line.split(' ').map(OsString::from), &root);
        words.iter().map(|word| word.to_str().unwrap()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_blank_is_as_good_as_a_colon() {
        assert_eq!(spelled("renga ps scale web=2"), "renga ps:scale web=2");
        assert_eq!(spelled("renga ps:scale web=2"), "renga ps:scale web=2");
        assert_eq!(spelled("renga config set A=1"), "renga config:set A=1");
        assert_eq!(spelled("renga apps create shop"), "renga apps:create shop");
    }

    #[test]
    fn other_words_stay() {
        assert_eq!(spelled("renga config GREETING"), "renga config GREETING");
        assert_eq!(spelled("renga run detached"), "renga run detached");
        assert_eq!(spelled("renga ps"), "renga ps");
        assert_eq!(spelled("renga"), "renga");
    }
}
