//! The tables of `docs/configuration.md`.

use crate::table::{Fallback, SETTINGS};

/// All settings as Markdown, a table per group.
pub fn table_for_docs() -> String {
    let mut text = String::new();
    let mut group = "";
    for setting in SETTINGS {
        if setting.group != group {
            group = setting.group;
            text += &format!(
                "\n### {group}\n\n| Key | Flag | Variable | Default | Meaning |\n| --- | --- | --- | --- | --- |\n"
            );
        }
        let default = match setting.fallback {
            Fallback::Text(value) => format!("`{value}`"),
            Fallback::Computed(_, meaning) | Fallback::Nothing(meaning) => meaning.to_owned(),
        };
        let repeated = if setting.is_list { " ..." } else { "" };
        text += &format!(
            "| `{}` | `--{} {}`{repeated} | `{}` | {default} | {} |\n",
            setting.name,
            setting.flag(),
            setting.placeholder,
            setting.variable(),
            setting.meaning.trim(),
        );
    }
    text
}
