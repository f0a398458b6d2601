//! The Procfile, read as leniently as Heroku reads it.

use std::collections::BTreeMap;

use crate::ProcessType;

/// Process types and their commands.
pub type ProcessTypes = BTreeMap<ProcessType, String>;

/// A Procfile and what in it fits nothing.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Procfile {
    pub process_types: ProcessTypes,
    pub warnings: Vec<Warning>,
}

/// A line that was left out, with its number from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct Warning {
    pub line: usize,
    pub problem: String,
}

/// Reads a Procfile. Heroku's classic rule, roughly
/// `^[[:space:]]*([a-zA-Z0-9_-]+):?\s+(.*)[[:space:]]*`: leading blanks and a
/// missing colon are fine, a blank must stand before the command, `#` lines
/// and blank lines are passed over, and the last of two equal types counts.
/// Any other line is left out and named in a warning.
pub fn parse(text: &str) -> Procfile {
    let mut procfile = Procfile::default();
    for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut warn = |problem: String| procfile.warnings.push(Warning { line: index + 1, problem });
        match parse_line(line) {
            Ok((process_type, command)) => {
                if procfile.process_types.insert(process_type.clone(), command).is_some() {
                    warn(format!("`{process_type}` is declared a second time; this line counts"));
                }
            }
            Err(problem) => warn(problem),
        }
    }
    procfile
}

fn parse_line(line: &str) -> Result<(ProcessType, String), String> {
    let shown: String = line.chars().take(60).collect();
    let (head, command) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let name = head.strip_suffix(':').unwrap_or(head);
    let process_type = name.parse::<ProcessType>().map_err(|_| match head.split_once(':') {
        Some((name, rest)) if !rest.is_empty() && name.parse::<ProcessType>().is_ok() => {
            format!("`{shown}` is left out: put a blank after `{name}:`")
        }
        _ => format!("`{shown}` is left out: it is not of the form `type: command`"),
    })?;
    let command = command.trim();
    if command.is_empty() {
        return Err(format!("`{process_type}` has no command, so it is left out"));
    }
    Ok((process_type, command.to_owned()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// One line per type, then one per warning.
    fn parsed(text: &str) -> Vec<String> {
        let procfile = parse(text);
        let types = procfile.process_types.iter().map(|(name, command)| format!("{name}={command}"));
        types.chain(procfile.warnings.iter().map(ToString::to_string)).collect()
    }

    #[test]
    fn the_usual_form_and_heroku_s_lenient_ones() {
        assert_eq!(
            parsed("web: node server.js\nworker: ./work --fast\n"),
            ["web=node server.js", "worker=./work --fast"]
        );
        assert_eq!(parsed("  web   node x.js  \r\n\r\n"), ["web=node x.js"]);
        assert_eq!(parsed("# release: no\n\tMy_Type:\tcmd # note"), ["My_Type=cmd # note"]);
        assert_eq!(parsed("\u{feff}web: a: b"), ["web=a: b"]);
    }

    #[test]
    fn lines_that_fit_nothing_are_named() {
        assert_eq!(parsed("web:\n"), ["line 1: `web` has no command, so it is left out"]);
        assert_eq!(parsed("\nweb:node x.js"), ["line 2: `web:node x.js` is left out: put a blank after `web:`"]);
        assert_eq!(
            parsed("<<<<<<< HEAD"),
            ["line 1: `<<<<<<< HEAD` is left out: it is not of the form `type: command`"]
        );
    }

    #[test]
    fn the_last_of_two_equal_types_counts() {
        assert_eq!(parsed("web: a\nweb: b"), ["web=b", "line 2: `web` is declared a second time; this line counts"]);
    }

    proptest! {
        #[test]
        fn any_text_is_read_and_every_command_comes_from_it(text in any::<String>()) {
            for command in parse(&text).process_types.values() {
                prop_assert!(text.contains(command.as_str()));
            }
        }
    }
}
