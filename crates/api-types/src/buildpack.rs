//! Buildpacks of an app, in their order.

use domain::buildpack::{BuildpackRef, InvalidBuildpackRef};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildpackInstallation {
    pub buildpack: Buildpack,
    /// From 0.
    pub ordinal: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Buildpack {
    pub name: String,
    pub url: String,
}

impl From<&BuildpackRef> for Buildpack {
    /// `heroku/nodejs` has the URL `urn:buildpack:heroku/nodejs`; what was
    /// given as a URL has that as its name too.
    fn from(reference: &BuildpackRef) -> Self {
        match reference.name() {
            Some(name) => Self { name: name.to_owned(), url: format!("urn:buildpack:{name}") },
            None => Self { name: reference.as_str().to_owned(), url: reference.as_str().to_owned() },
        }
    }
}

/// `PUT /apps/:app/buildpack-installations`: the whole list, anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateBuildpacks {
    pub updates: Vec<UpdateBuildpack>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateBuildpack {
    /// The CLI leaves it out when the registry has no buildpack of the name
    /// that it was given, so that only the answer can say what is wrong.
    #[serde(default, serialize_with = "write", deserialize_with = "read")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub buildpack: Option<BuildpackRef>,
}

/// Reads a name, a URL or the URN of a name; a URN is kept as the name, so
/// that one buildpack has one spelling.
pub(crate) fn parse(text: &str) -> Result<BuildpackRef, InvalidBuildpackRef> {
    text.trim().strip_prefix("urn:buildpack:").unwrap_or(text).parse()
}

fn write<S: Serializer>(reference: &Option<BuildpackRef>, serializer: S) -> Result<S::Ok, S::Error> {
    reference.as_ref().map(BuildpackRef::as_str).serialize(serializer)
}

fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<BuildpackRef>, D::Error> {
    let text = Option::<crate::app::TextRef>::deserialize(deserializer)?;
    text.map(|text| parse(&text.0)).transpose().map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_and_its_urn_are_one_buildpack() {
        for text in ["heroku/nodejs", "urn:buildpack:heroku/nodejs"] {
            let reference = parse(text).unwrap();
            assert_eq!(reference.as_str(), "heroku/nodejs");
            assert_eq!(Buildpack::from(&reference).url, "urn:buildpack:heroku/nodejs");
        }
        let by_url = Buildpack::from(&parse("https://example.com/a.git#v1").unwrap());
        assert_eq!(
            (by_url.name.as_str(), by_url.url.as_str()),
            ("https://example.com/a.git#v1", "https://example.com/a.git#v1")
        );
    }
}
