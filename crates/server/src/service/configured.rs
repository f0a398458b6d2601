//! The service's configuration file: what was given becomes lines of it, what
//! someone has written there stays.

use std::collections::BTreeMap;

use configuration::SETTINGS;

const OPENING: &str = "\
# The settings of this machine's Renga server; `renga settings` lists all that
# there are. They take effect when it starts: systemctl restart renga
# (dynos go on meanwhile).
";

/// `text` with these settings: a line that sets one is replaced, others are
/// added at the end.
pub(super) fn with(text: &str, given: &BTreeMap<&'static str, String>) -> String {
    let mut text = if text.is_empty() { OPENING.to_owned() } else { text.to_owned() };
    for (name, value) in given {
        let line = format!("{name} = {}", toml_value(name, value));
        let sets = |line: &&str| line.split_once('=').is_some_and(|(key, _)| key.trim() == *name);
        match text.lines().find(sets).map(str::to_owned) {
            Some(old) => text = text.replacen(&old, &line, 1),
            None => {
                if !text.ends_with('\n') {
                    text.push('\n');
                }
                text += &format!("{line}\n");
            }
        }
    }
    text
}

fn toml_value(name: &str, value: &str) -> String {
    let is_list = SETTINGS.iter().any(|setting| setting.name == name && setting.is_list);
    if is_list {
        let values: Vec<String> = value.split(',').map(quoted).collect();
        return format!("[{}]", values.join(", "));
    }
    if value == "true" || value == "false" || (!value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit())) {
        return value.to_owned();
    }
    quoted(value)
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.trim().replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(settings: &[(&'static str, &str)]) -> BTreeMap<&'static str, String> {
        settings.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()
    }

    #[test]
    fn a_new_file_has_what_was_given() {
        let text = with("", &given(&[("listen", "0.0.0.0:80,0.0.0.0:443"), ("concurrent_builds", "4")]));
        assert!(text.starts_with("# The settings"));
        assert!(text.ends_with("concurrent_builds = 4\nlisten = [\"0.0.0.0:80\", \"0.0.0.0:443\"]\n"), "{text}");
    }

    #[test]
    fn what_someone_wrote_stays() {
        let before = "# ours\ndomain = \"a.example\" # old\nstack = \"host\"";
        let text = with(before, &given(&[("domain", "b.example"), ("build_time", "1h")]));
        assert_eq!(text, "# ours\ndomain = \"b.example\"\nstack = \"host\"\nbuild_time = \"1h\"\n");
        assert_eq!(with(before, &given(&[])), before);
    }
}
