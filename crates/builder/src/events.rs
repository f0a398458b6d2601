//! What the driver reports of a build: lines of `word<TAB>text…` in a file on
//! the build's disk.
//!
//! Code of the app may have written to that file, so its lines decide nothing
//! but texts and names: what is unknown is passed over, all is bounded.

/// More than the driver writes for the longest list of buildpacks.
pub(crate) const LIMIT_BYTES: usize = 64 * 1024;
const LONGEST_NAME: usize = 80;
const LONGEST_REFERENCE: usize = 2000;

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Events {
    /// Buildpacks that detected, in order.
    pub(crate) buildpacks: Vec<Detected>,
    /// Whether they were found by detection and not set by the app.
    pub(crate) automatic: bool,
    /// What the app's own list names: the driver waits for them to be brought.
    pub(crate) listed: Vec<String>,
    pub(crate) failure: Option<Failure>,
    /// The driver came to its end.
    pub(crate) done: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Detected {
    /// As the app names it: `heroku/nodejs`.
    pub(crate) reference: String,
    /// As it names itself: `Node.js`.
    pub(crate) name: String,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    Source,
    NothingDetected,
    NotCompatible(String),
    NoSuchBuildpack(String),
    /// It was fetched, and can't be unpacked.
    BrokenBuildpack(String),
    CompileFailed(String),
}

pub(crate) fn parse(text: &[u8]) -> Events {
    let mut events = Events::default();
    for line in String::from_utf8_lossy(text).lines() {
        let mut fields = line.split('\t');
        let word = fields.next().unwrap_or_default();
        let mut field = || shown(fields.next().unwrap_or_default(), LONGEST_NAME);
        match word {
            "listed" => events.listed.push(shown(fields.next().unwrap_or_default(), LONGEST_REFERENCE)),
            "buildpack" => events.buildpacks.push(Detected { reference: field(), name: field() }),
            "automatic" => events.automatic = true,
            "done" => events.done = true,
            "failed" => {
                let (kind, name) = (field(), field());
                events.failure = match kind.as_str() {
                    "source" => Some(Failure::Source),
                    "nothing-detected" => Some(Failure::NothingDetected),
                    "not-compatible" => Some(Failure::NotCompatible(name)),
                    "no-such-buildpack" => Some(Failure::NoSuchBuildpack(name)),
                    "broken-buildpack" => Some(Failure::BrokenBuildpack(name)),
                    "compile" => Some(Failure::CompileFailed(name)),
                    _ => events.failure,
                };
            }
            _ => {}
        }
    }
    events
}

impl Events {
    /// The names of all buildpacks, as in `Ruby,Node.js`.
    pub(crate) fn description(&self) -> String {
        let names: Vec<&str> = self.buildpacks.iter().map(|buildpack| buildpack.name.as_str()).collect();
        names.join(",")
    }

    /// Whose work is going on: the last that detected.
    pub(crate) fn current_name(&self) -> Option<&str> {
        self.buildpacks.last().map(|buildpack| buildpack.name.as_str())
    }
}

/// Fit to be shown: short, and nothing that moves a terminal's cursor.
fn shown(text: &str, longest: usize) -> String {
    text.chars().filter(|char| !char.is_control()).take(longest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_driver_s_lines_are_read() {
        let events = parse(b"automatic\nbuildpack\theroku/nodejs\tNode.js\nbuildpack\t./x\tX\nfailed\tcompile\tX\n");
        assert!(events.automatic && !events.done);
        assert_eq!(events.description(), "Node.js,X");
        assert_eq!(events.current_name(), Some("X"));
        assert_eq!(events.failure, Some(Failure::CompileFailed("X".to_owned())));
        assert!(parse(b"done\n").done);
    }

    #[test]
    fn nonsense_is_passed_over_and_names_are_tamed() {
        let long = format!("buildpack\t\x1b[2Jx\t{}\n\nfailed\tother\tX\nfailed", "n".repeat(500));
        let events = parse(&[long.as_bytes(), b"\xff\t\n"].concat());
        assert_eq!(events.buildpacks[0].reference, "[2Jx");
        assert_eq!(events.buildpacks[0].name.len(), LONGEST_NAME);
        assert_eq!(events.failure, None);
    }
}
