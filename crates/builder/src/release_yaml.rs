//! What a buildpack's `bin/release` prints: YAML, of which the default process
//! types count.
//!
//! The text comes out of the build dyno, so it is read event by event, without
//! building a tree and without following aliases.

use domain::procfile::ProcessTypes;
use saphyr_parser::{Event, Parser};

/// More than any buildpack prints.
pub(crate) const LIMIT_BYTES: usize = 64 * 1024;

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the output of bin/release is not the YAML it should be: {0}")]
pub(crate) struct NotRelease(String);

/// `default_process_types` of the first document. Nothing, `---` and `--- {}`
/// are as good as none.
pub(crate) fn default_process_types(text: &str) -> Result<ProcessTypes, NotRelease> {
    let mut types = ProcessTypes::new();
    let mut depth = 0_usize;
    // The keys under which the next value lies.
    let mut path: [Option<String>; 2] = [None, None];
    for event in Parser::new_from_str(text) {
        let (event, _) = event.map_err(|error| NotRelease(error.to_string()))?;
        match event {
            Event::MappingStart(..) | Event::SequenceStart(..) => depth += 1,
            Event::MappingEnd | Event::SequenceEnd => {
                depth = depth.saturating_sub(1);
                // What ended was the value of a key one level up.
                if (1..=path.len()).contains(&depth) {
                    path[depth - 1] = None;
                }
            }
            Event::Scalar(value, ..) => match depth {
                1 if path[0].is_none() => path[0] = Some(value.into_owned()),
                1 => path[0] = None,
                2 if path[0].as_deref() == Some("default_process_types") => match path[1].take() {
                    None => path[1] = Some(value.into_owned()),
                    Some(name) => {
                        let name = name.parse().map_err(|error| NotRelease(format!("{error}")))?;
                        if !value.trim().is_empty() {
                            types.insert(name, value.trim().to_owned());
                        }
                    }
                },
                _ => {}
            },
            Event::Alias(_) => return Err(NotRelease("aliases are not read".to_owned())),
            Event::DocumentEnd => break,
            _ => {}
        }
    }
    Ok(types)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<String> {
        let types = default_process_types(text).unwrap();
        types.iter().map(|(name, command)| format!("{name}={command}")).collect()
    }

    #[test]
    fn the_forms_that_buildpacks_print() {
        assert_eq!(read("addons: []\ndefault_process_types:\n  web: npm start\n"), ["web=npm start"]);
        assert_eq!(
            read("---\nconfig_vars:\n  web: no\ndefault_process_types:\n  web: \"a: b\"\n  x: 'y'\n"),
            ["web=a: b", "x=y"]
        );
        assert_eq!(
            read("default_process_types: {web: java $JAVA_OPTS -jar a.jar}\naddons:\n- heroku-postgresql\n"),
            ["web=java $JAVA_OPTS -jar a.jar"]
        );
        assert_eq!(read("default_process_types:\n  web: >\n    long\n    line\n"), ["web=long line"]);
        for nothing in ["", "---", "--- {}", "--- {}\n", "addons: [default_process_types]", "default_process_types:\n"]
        {
            assert_eq!(read(nothing), [""; 0], "{nothing:?}");
        }
    }

    #[test]
    fn aliases_and_broken_text_are_refused() {
        let bomb = "a: &a [x]\ndefault_process_types:\n  web: *a\n";
        for bad in [bomb, "default_process_types: {web: [", "default_process_types:\n  'a b': x\n", "a: b: c"] {
            assert!(default_process_types(bad).is_err(), "{bad}");
        }
    }
}
