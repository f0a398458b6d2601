//! Object ids, branch names, and what a push may do to them.

use std::fmt;
use std::io;
use std::path::Path;
use std::str::FromStr;

/// A full object id, in lower-case hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Oid(String);

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an object id")]
pub struct InvalidOid(String);

impl Oid {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// All zeros: there is no such ref before, or after.
    pub(crate) fn is_zero(&self) -> bool {
        self.0.bytes().all(|digit| digit == b'0')
    }
}

impl FromStr for Oid {
    type Err = InvalidOid;

    fn from_str(text: &str) -> Result<Self, InvalidOid> {
        let fits = matches!(text.len(), 40 | 64) && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if fits { Ok(Self(text.to_owned())) } else { Err(InvalidOid(text.chars().take(80).collect())) }
    }
}

impl fmt::Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A ref that a push may touch: `refs/heads/…` or `refs/tags/…`, well-formed
/// by the rules of git-check-ref-format(1) and at most 250 bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct RefName(String);

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidRefName {
    #[error("`{0}` is neither a branch nor a tag: only those can be pushed")]
    Kind(String),
    #[error("`{0}` is not a valid name for a branch or tag")]
    Form(String),
}

impl RefName {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// `main` or `master`, if the name is that of a branch that deploys.
    pub(crate) fn deploys(&self) -> Option<&str> {
        self.branch().filter(|branch| matches!(*branch, "main" | "master"))
    }

    pub(crate) fn branch(&self) -> Option<&str> {
        self.0.strip_prefix("refs/heads/")
    }
}

impl FromStr for RefName {
    type Err = InvalidRefName;

    fn from_str(text: &str) -> Result<Self, InvalidRefName> {
        let shown = || text.chars().take(80).map(|char| if char.is_control() { '?' } else { char }).collect();
        let short = ["refs/heads/", "refs/tags/"].iter().find_map(|kind| text.strip_prefix(kind));
        let short = short.ok_or_else(|| InvalidRefName::Kind(shown()))?;
        let bad_char = |char: char| char.is_control() || matches!(char, ' ' | '~' | '^' | ':' | '?' | '*' | '[' | '\\');
        let bad_part = |part: &str| part.is_empty() || part.starts_with(['.', '-']) || part.ends_with(".lock");
        let bad = text.len() > 250
            || short.contains("..")
            || short.contains("@{")
            || short.ends_with('.')
            || short.chars().any(bad_char)
            || short.split('/').any(bad_part);
        if bad { Err(InvalidRefName::Form(shown())) } else { Ok(Self(text.to_owned())) }
    }
}

/// One wish of a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Update {
    pub(crate) old: Oid,
    pub(crate) new: Oid,
    pub(crate) name: RefName,
}

/// What the server makes of all wishes of one push.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Plan<'a> {
    Deploy(&'a Update),
    /// Only refs that do not deploy; `branches`: some of them are branches.
    Keep {
        branches: bool,
    },
    Refuse(String),
}

/// The rules: `main` and `master` deploy and stay; at most one deploy a push;
/// everything else is taken without a build.
pub(crate) fn plan(updates: &[Update]) -> Plan<'_> {
    let mut deploys = None;
    for update in updates {
        let Some(branch) = update.name.deploys() else { continue };
        if update.new.is_zero() {
            return Plan::Refuse(format!("Push rejected, cannot delete {branch} branch"));
        }
        match deploys {
            None => deploys = Some(update),
            Some(other) if other.new == update.new => {}
            Some(_) => return Plan::Refuse("Push rejected, main and master differ: push only one of them".to_owned()),
        }
    }
    let is_kept_branch = |update: &Update| update.name.branch().is_some() && !update.new.is_zero();
    deploys.map_or_else(|| Plan::Keep { branches: updates.iter().any(is_kept_branch) }, Plan::Deploy)
}

/// Where a ref of a bare repository points, read without git.
pub(crate) fn read_ref(repository: &Path, name: &RefName) -> io::Result<Option<Oid>> {
    let invalid = |error: InvalidOid| io::Error::new(io::ErrorKind::InvalidData, error);
    match std::fs::read_to_string(repository.join(name.as_str())) {
        Ok(text) => return text.trim_end().parse().map(Some).map_err(invalid),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::IsADirectory) => {}
        Err(error) => return Err(error),
    }
    let packed = match std::fs::read_to_string(repository.join("packed-refs")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        read => read?,
    };
    let found = packed.lines().filter_map(|line| line.split_once(' ')).find(|(_, packed)| *packed == name.as_str());
    found.map(|(oid, _)| oid.parse().map_err(invalid)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn oid(digit: char) -> Oid {
        digit.to_string().repeat(40).parse().unwrap()
    }

    fn update(name: &str, new: char) -> Update {
        Update { old: oid('0'), new: oid(new), name: name.parse().unwrap() }
    }

    #[test]
    fn ref_names_follow_gits_rules_and_ours() {
        for good in
            ["refs/heads/main", "refs/heads/feature/a-b_c", "refs/tags/v1.0", "refs/heads/größe", "refs/heads/a@b"]
        {
            assert!(good.parse::<RefName>().is_ok(), "{good}");
        }
        let long = format!("refs/heads/{}", "x".repeat(4096));
        for bad in [
            "main",
            "HEAD",
            "refs/notes/x",
            "refs/heads/",
            "refs/heads/--upload-pack=x",
            "refs/heads/..lock",
            "refs/heads/a.lock",
            "refs/heads/a.lock/b",
            "refs/heads/a/../b",
            "refs/heads/a//b",
            "refs/heads/a b",
            "refs/heads/a\nb",
            "refs/heads/a~1",
            "refs/heads/.hidden",
            "refs/heads/a@{1}",
            &long,
        ] {
            assert!(bad.parse::<RefName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn object_ids_are_full_and_hexadecimal() {
        assert!("a".repeat(40).parse::<Oid>().is_ok() && "0".repeat(64).parse::<Oid>().is_ok());
        for bad in ["", "abc", &"g".repeat(40), &"A".repeat(40), &"a".repeat(41)] {
            assert!(bad.parse::<Oid>().is_err(), "{bad}");
        }
    }

    #[test]
    fn main_and_master_deploy_and_stay() {
        let main = [update("refs/tags/v1", '2'), update("refs/heads/main", '1')];
        assert_eq!(plan(&main), Plan::Deploy(&main[1]));
        let both = [update("refs/heads/main", '1'), update("refs/heads/master", '1')];
        assert_eq!(plan(&both), Plan::Deploy(&both[0]));
        assert!(matches!(plan(&[update("refs/heads/main", '1'), update("refs/heads/master", '2')]), Plan::Refuse(_)));
        let gone = [update("refs/heads/master", '0')];
        assert_eq!(plan(&gone), Plan::Refuse("Push rejected, cannot delete master branch".to_owned()));
    }

    #[test]
    fn other_refs_are_kept_without_a_build() {
        for (name, new, branches) in
            [("refs/heads/topic", '1', true), ("refs/heads/topic", '0', false), ("refs/tags/main", '1', false)]
        {
            assert_eq!(plan(&[update(name, new)]), Plan::Keep { branches }, "{name}");
        }
    }

    #[test]
    fn refs_are_read_loose_or_packed() {
        let dir = tempfile::tempdir().unwrap();
        let name: RefName = "refs/heads/main".parse().unwrap();
        assert_eq!(read_ref(dir.path(), &name).unwrap(), None);
        let packed = format!("# pack-refs with: peeled fully-peeled sorted\n{} refs/heads/main\n", oid('1'));
        std::fs::write(dir.path().join("packed-refs"), packed).unwrap();
        assert_eq!(read_ref(dir.path(), &name).unwrap(), Some(oid('1')));
        std::fs::create_dir_all(dir.path().join("refs/heads")).unwrap();
        std::fs::write(dir.path().join("refs/heads/main"), format!("{}\n", oid('2'))).unwrap();
        assert_eq!(read_ref(dir.path(), &name).unwrap(), Some(oid('2')));
    }
}
