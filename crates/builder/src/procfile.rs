//! Process types: the Procfile's, and the buildpack's defaults beside them.

use domain::procfile::{self, ProcessTypes, Warning};

use crate::output::Output;

pub(crate) struct Declared {
    pub(crate) process_types: ProcessTypes,
    pub(crate) warnings: Vec<Warning>,
}

/// The Procfile overrides a default of the same name; other defaults stay.
/// Prints the lines that tools match.
pub(crate) async fn discover(procfile: Option<&str>, defaults: ProcessTypes, output: &mut Output) -> Declared {
    let parsed = procfile.map(procfile::parse).unwrap_or_default();
    let declared: Vec<&str> = parsed.process_types.keys().map(|name| name.as_str()).collect();
    let defaults: ProcessTypes =
        defaults.into_iter().filter(|(name, _)| !parsed.process_types.contains_key(name)).collect();
    let default_names: Vec<&str> = defaults.keys().map(|name| name.as_str()).collect();

    output.line("-----> Discovering process types").await;
    let names = if declared.is_empty() { "(none)".to_owned() } else { declared.join(", ") };
    if default_names.is_empty() {
        output.line(&format!("       Procfile declares types -> {names}")).await;
    } else {
        output.line(&format!("       Procfile declares types     -> {names}")).await;
        output.line(&format!("       Default types for buildpack -> {}", default_names.join(", "))).await;
    }
    for warning in &parsed.warnings {
        output.problem(&format!("Warning: Procfile, {warning}")).await;
    }
    if declared.is_empty() && default_names.is_empty() {
        output.problem("Warning: nothing says what to run, so the app will not answer.").await;
        output.problem("Add a file named Procfile with a line such as `web: ./start --port $PORT`.").await;
    }
    let mut process_types = defaults;
    process_types.extend(parsed.process_types);
    Declared { process_types, warnings: parsed.warnings }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    async fn printed(procfile: Option<&str>, defaults: &[(&str, &str)]) -> (String, Vec<String>) {
        let (to, mut from) = mpsc::channel(100);
        let mut output = Output::new(to, 0);
        let defaults = defaults.iter().map(|(name, command)| (name.parse().unwrap(), (*command).to_owned())).collect();
        let declared = discover(procfile, defaults, &mut output).await;
        drop(output);
        let mut text = String::new();
        while let Some(bytes) = from.recv().await {
            text.push_str(std::str::from_utf8(&bytes).unwrap());
        }
        (text, declared.process_types.iter().map(|(name, command)| format!("{name}={command}")).collect())
    }

    #[tokio::test]
    async fn without_defaults_the_line_is_the_short_one() {
        let (text, types) = printed(Some("web: a\nrelease: b"), &[]).await;
        assert_eq!(text, "-----> Discovering process types\n       Procfile declares types -> release, web\n");
        assert_eq!(types, ["release=b", "web=a"]);
    }

    #[tokio::test]
    async fn the_procfile_overrides_by_name_and_other_defaults_stay() {
        let (text, types) = printed(Some("web: mine"), &[("web", "theirs"), ("console", "irb")]).await;
        assert_eq!(
            text,
            "-----> Discovering process types\n       Procfile declares types     -> web\n       Default types for buildpack -> console\n"
        );
        assert_eq!(types, ["console=irb", "web=mine"]);
    }

    #[tokio::test]
    async fn nothing_to_run_is_said_plainly_and_bad_lines_are_named() {
        let (text, types) = printed(Some("web:x"), &[]).await;
        assert!(text.contains("Procfile declares types -> (none)\n"), "{text}");
        assert!(text.contains(" !     Warning: Procfile, line 1: "), "{text}");
        assert!(text.contains(" !     Warning: nothing says what to run"), "{text}");
        assert!(types.is_empty());
    }
}
