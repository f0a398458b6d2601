//! The plan: what the driver script is told, as a file of shell assignments.

use std::fmt::Write;

use domain::buildpack::BuildpackRef;

use crate::buildpacks;
use crate::request::SourceOrigin;
use crate::source::Compression;

pub(crate) struct Plan<'a> {
    pub(crate) build_dir: &'a str,
    pub(crate) env_dir: &'a str,
    pub(crate) stack_title: &'a str,
    pub(crate) compression: Compression,
    pub(crate) origin: SourceOrigin,
    pub(crate) buildpacks: &'a [BuildpackRef],
}

/// One filesystem holds all of it: the dyno's `/tmp`.
pub(crate) const CACHE_DIR: &str = "/tmp/codon/tmp/cache";
/// What the driver and the buildpacks report, and where the built-in
/// buildpacks lie, inside the dyno.
pub(crate) const REPORT_DIR: &str = "/tmp/renga";
pub(crate) const BUILDPACKS_DIR: &str = "/tmp/buildpacks";

impl Plan<'_> {
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        let mut assign = |name: &str, value: &str| {
            // Writing to a String can't fail.
            let _written = writeln!(text, "{name}={}", quoted(value));
        };
        assign("BUILD_DIR", self.build_dir);
        assign("CACHE_DIR", CACHE_DIR);
        assign("ENV_DIR", self.env_dir);
        assign("REPORT_DIR", REPORT_DIR);
        assign("BUILDPACKS_DIR", BUILDPACKS_DIR);
        assign("STACK_TITLE", self.stack_title);
        assign("TAR_OPTION", self.compression.tar_option());
        assign("TOP_FOLDER", if self.origin == SourceOrigin::Archive { "maybe" } else { "no" });
        let chosen = self.buildpacks.iter().map(|buildpack| quoted(buildpack.as_str()));
        text.push_str(&format!("CHOSEN=({})\n", chosen.collect::<Vec<_>>().join(" ")));
        text.push_str("declare -A BUILT_IN=(\n");
        for (name, folder) in buildpacks::names() {
            text.push_str(&format!("  [{}]={}\n", quoted(name), quoted(&format!("{BUILDPACKS_DIR}/{folder}"))));
        }
        text.push_str(")\n");
        text.push_str(&format!("LANGUAGES=({})\n", buildpacks::LANGUAGES.join(" ")));
        text.push_str(&format!("FALLBACKS=({})\n", buildpacks::FALLBACKS.join(" ")));
        text
    }
}

/// One shell word, whatever the text holds.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn bash_reads_back_what_was_planned() {
        let plan = Plan {
            build_dir: "/tmp/build_0",
            env_dir: "/tmp/it's $(here)",
            stack_title: "Debian-13",
            compression: Compression::Gzip,
            origin: SourceOrigin::Archive,
            buildpacks: &["heroku/nodejs".parse().unwrap(), "https://x/y.git#`a'b`".parse().unwrap()],
        };
        let script = r#"eval "$0"; printf '%s\n' "$ENV_DIR" "$TAR_OPTION" "$TOP_FOLDER" "${CHOSEN[@]}" "${BUILT_IN[heroku/go]}""#;
        let output = Command::new("bash").args(["-c", script, &plan.text()]).output().unwrap();
        assert_eq!(
            String::from_utf8(output.stdout).unwrap(),
            "/tmp/it's $(here)\n--gzip\nmaybe\nheroku/nodejs\nhttps://x/y.git#`a'b`\n/tmp/buildpacks/go\n"
        );
    }
}
