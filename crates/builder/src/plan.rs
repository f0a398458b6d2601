//! The plan: what the driver script is told, as a file of shell assignments.

use std::fmt::Write;

use crate::buildpacks;
use crate::request::SourceOrigin;
use crate::source::Compression;
use crate::supply::{Parcel, Supplied};

pub(crate) struct Plan<'a> {
    pub(crate) build_dir: &'a str,
    pub(crate) env_dir: &'a str,
    pub(crate) stack_title: &'a str,
    pub(crate) source: PlannedSource,
    /// None: the app's own list counts, and else detection.
    pub(crate) buildpacks: &'a [Supplied],
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum PlannedSource {
    /// Comes through stdin.
    Archive { compression: Compression, origin: SourceOrigin },
    /// An earlier dyno of the same build has unpacked it, and found the list.
    Unpacked,
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
        match self.source {
            PlannedSource::Archive { compression, origin } => {
                assign("SOURCE", "archive");
                assign("TAR_OPTION", compression.tar_option());
                assign("TOP_FOLDER", if origin == SourceOrigin::Archive { "maybe" } else { "no" });
            }
            PlannedSource::Unpacked => assign("SOURCE", "unpacked"),
        }
        let mut list = |name: &str, words: &mut dyn Iterator<Item = &str>| {
            let words: Vec<String> = words.map(quoted).collect();
            text.push_str(&format!("{name}=({})\n", words.join(" ")));
        };
        let parcels = || self.buildpacks.iter().map(|supplied| supplied.parcel.words());
        list("CHOSEN", &mut self.buildpacks.iter().map(|supplied| supplied.shown.as_str()));
        list("KINDS", &mut parcels().map(|(kind, _, _)| kind));
        list("PLACES", &mut parcels().map(|(_, place, _)| place));
        list("COMMITS", &mut parcels().map(|(_, _, commit)| commit));
        list("WORDS", &mut self.buildpacks.iter().flat_map(|supplied| &supplied.words).map(String::as_str));
        list("LANGUAGES", &mut buildpacks::LANGUAGES.into_iter());
        list("FALLBACKS", &mut buildpacks::FALLBACKS.into_iter());
        text
    }
}

impl Parcel {
    /// Kind, place and commit, as the driver knows them.
    fn words(&self) -> (&'static str, &str, &str) {
        match self {
            Self::BuiltIn { folder } => ("built-in", folder, ""),
            Self::Inline => ("inline", "", ""),
            Self::App(path) => ("app", path, ""),
            Self::Pack { file, commit } => ("pack", file, commit),
            Self::Archive { file } => ("archive", file, ""),
        }
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
        let pack = Parcel::Pack { file: "buildpack-1".to_owned(), commit: "c0ffee".to_owned() };
        let supplied = |shown: &str, parcel, words: &[&str]| Supplied {
            shown: shown.to_owned(),
            parcel,
            words: words.iter().map(|word| (*word).to_owned()).collect(),
        };
        let plan = Plan {
            build_dir: "/tmp/build_0",
            env_dir: "/tmp/it's $(here)",
            stack_title: "Debian-13",
            source: PlannedSource::Archive { compression: Compression::Gzip, origin: SourceOrigin::Archive },
            buildpacks: &[
                supplied("heroku/nodejs", Parcel::BuiltIn { folder: "nodejs".to_owned() }, &[]),
                supplied("https://x/y.git#`a'b`", pack, &["two words"]),
            ],
        };
        let script = r#"eval "$0"; printf '%s\n' "$ENV_DIR" "$TAR_OPTION" "$TOP_FOLDER" "${CHOSEN[@]}" "${KINDS[@]}" \
            "${PLACES[1]} ${COMMITS[1]} ${#COMMITS[@]}" "${WORDS[@]}" "${LANGUAGES[0]}""#;
        let output = Command::new("bash").args(["-c", script, &plan.text()]).output().unwrap();
        assert_eq!(
            String::from_utf8(output.stdout).unwrap(),
            "/tmp/it's $(here)\n--gzip\nmaybe\nheroku/nodejs\nhttps://x/y.git#`a'b`\nbuilt-in\npack\n\
             buildpack-1 c0ffee 2\ntwo words\nheroku/nodejs\n"
        );
    }
}
