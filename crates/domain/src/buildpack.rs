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

/// Where a buildpack is to be looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place<'a> {
    /// In the registry: `heroku/nodejs`.
    Name(&'a str),
    /// In the app, relative to its root: `buildpacks/mine`.
    App(&'a str),
    /// An archive with the buildpack at its top; a query is part of the URL.
    Archive(&'a str),
    /// A repository; without a ref, its default branch.
    Git { url: &'a str, reference: Option<&'a str> },
    /// A URL whose scheme needs what the platform does not have.
    Unsupported { scheme: &'a str },
}

impl BuildpackRef {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `heroku/nodejs` for the name and for the URN of it
    /// (`urn:buildpack:heroku/nodejs`).
    pub fn name(&self) -> Option<&str> {
        let text = self.0.strip_prefix("urn:buildpack:").unwrap_or(&self.0);
        let is_name = text.split('/').count() == 2 && !text.contains(':') && !text.starts_with('.');
        is_name.then_some(text)
    }

    pub fn place(&self) -> Place<'_> {
        if let Some(name) = self.name() {
            return Place::Name(name);
        }
        let Some((scheme, _)) = self.0.split_once("://") else {
            // `git@host:path` is ssh too.
            return match self.0.strip_prefix("./") {
                Some(path) => Place::App(path),
                None => Place::Unsupported { scheme: "ssh" },
            };
        };
        if !matches!(scheme, "http" | "https") {
            return Place::Unsupported { scheme };
        }
        let (url, reference) = match self.0.split_once('#') {
            Some((url, reference)) => (url, Some(reference).filter(|reference| !reference.is_empty())),
            None => (self.0.as_str(), None),
        };
        let path = url.split_once('?').map_or(url, |(path, _)| path);
        match path.ends_with(".tgz") || path.ends_with(".tar.gz") {
            true => Place::Archive(url),
            false => Place::Git { url, reference },
        }
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
        let in_the_repository = text.strip_prefix("./").is_some_and(|path| path.split('/').all(|part| part != ".."));
        let is_url = ["https://", "http://", "git://", "git@", "ssh://", "file://"]
            .iter()
            .any(|scheme| text.starts_with(scheme));
        if in_the_repository || is_url || reference.name().is_some() { Ok(reference) } else { Err(invalid()) }
    }
}

/// As it is shown: without the password that a URL may hold.
impl fmt::Display for BuildpackRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let masked = self.0.split_once("://").and_then(|(scheme, rest)| {
            let (authority, _) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
            let (credentials, _) = authority.rsplit_once('@')?;
            let user = credentials.split(':').next().unwrap_or_default();
            // A user alone is a token.
            let user = if credentials.contains(':') { user } else { "" };
            Some(format!("{scheme}://{user}:*****@{}", &rest[credentials.len() + 1..]))
        });
        f.write_str(masked.as_deref().unwrap_or(&self.0))
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
        for bad in ["", "nodejs", "a b/c", "../up/there", "./a/../../b"] {
            assert!(bad.parse::<BuildpackRef>().is_err(), "{bad}");
        }
    }

    #[track_caller]
    fn at(text: &str, place: Place<'_>) {
        assert_eq!(text.parse::<BuildpackRef>().unwrap().place(), place, "{text}");
    }

    #[test]
    fn each_form_has_its_place() {
        let git = |url, reference| Place::Git { url, reference };
        at("urn:buildpack:heroku/go", Place::Name("heroku/go"));
        at("./packs/mine", Place::App("packs/mine"));
        at("https://h/x", git("https://h/x", None));
        at("https://h/x.git#feature/with/slashes", git("https://h/x.git", Some("feature/with/slashes")));
        at("https://h/x.git#", git("https://h/x.git", None));
        at("https://h/x.tgz", Place::Archive("https://h/x.tgz"));
        at("https://h/x.tar.gz?token=1#ignored", Place::Archive("https://h/x.tar.gz?token=1"));
        at("https://h/x?file=a.tgz", git("https://h/x?file=a.tgz", None));
        at("git@github.com:heroku/x.git", Place::Unsupported { scheme: "ssh" });
        at("git://h/x.git", Place::Unsupported { scheme: "git" });
        at("file:///etc", Place::Unsupported { scheme: "file" });
    }

    #[test]
    fn a_password_is_not_shown() {
        let shown = |text: &str| text.parse::<BuildpackRef>().unwrap().to_string();
        assert_eq!(shown("https://me:secret@h/x.git#v1"), "https://me:*****@h/x.git#v1");
        assert_eq!(shown("https://token@h/x.git"), "https://:*****@h/x.git");
        assert_eq!(shown("https://h/x@y.git"), "https://h/x@y.git");
    }
}
