//! Buildpacks as an app names them.

use std::fmt;
use std::str::FromStr;

/// What `buildpacks:set` was given: `heroku/nodejs` and its like, a URL (a git
/// repository with an optional `#ref`, or a tarball), or `./path` for one that
/// lies in the app's own repository.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BuildpackRef(String);

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a buildpack: use a name such as heroku/nodejs, a URL, or ./path in the app's repository")]
pub struct InvalidBuildpackRef(String);

impl BuildpackRef {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `heroku/nodejs` for the name, the URL of it (`urn:buildpack:heroku/nodejs`)
    /// and a few URLs by which people have always named Heroku's own.
    pub fn name(&self) -> Option<&str> {
        let text = self.0.strip_prefix("urn:buildpack:").unwrap_or(&self.0);
        let is_name = text.split('/').count() == 2 && !text.contains(':') && !text.starts_with('.');
        is_name.then_some(text)
    }
}

impl FromStr for BuildpackRef {
    type Err = InvalidBuildpackRef;

    fn from_str(text: &str) -> Result<Self, InvalidBuildpackRef> {
        let text = text.trim();
        let invalid = || InvalidBuildpackRef(text.chars().take(200).collect());
        if text.is_empty() || text.len() > 2000 || text.chars().any(|char| char.is_whitespace() || char.is_control()) {
            return Err(invalid());
        }
        let reference = Self(text.to_owned());
        let in_the_repository = text.starts_with("./");
        let is_url = ["https://", "http://", "git://", "git@", "ssh://", "file://"]
            .iter()
            .any(|scheme| text.starts_with(scheme));
        if in_the_repository || is_url || reference.name().is_some() { Ok(reference) } else { Err(invalid()) }
    }
}

impl fmt::Display for BuildpackRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_urls_and_paths_are_told_apart() {
        let name = |text: &str| text.parse::<BuildpackRef>().map(|reference| reference.name().map(str::to_owned));
        assert_eq!(name("heroku/nodejs"), Ok(Some("heroku/nodejs".to_owned())));
        assert_eq!(name("urn:buildpack:heroku/go"), Ok(Some("heroku/go".to_owned())));
        assert_eq!(name("https://example.com/pack.git#main"), Ok(None));
        assert_eq!(name("./buildpacks/mine"), Ok(None));
        assert_eq!(name("./mine"), Ok(None));
        for bad in ["", "nodejs", "a b/c", "../up/there"] {
            assert!(bad.parse::<BuildpackRef>().is_err(), "{bad}");
        }
    }
}
