//! What names, aliases and mirrors come to.

use std::time::Duration;

use super::*;

fn registry(text: &str) -> Registry {
    let mut registry = Registry::default();
    registry.add(CARRIED).unwrap();
    registry.add(text).unwrap();
    registry
}

fn locate(registry: &Registry, text: &str) -> Result<Origin, UnknownBuildpack> {
    registry.locate(&text.parse().unwrap())
}

fn git(url: &str, reference: Option<&str>) -> Result<Origin, UnknownBuildpack> {
    Ok(Origin::Git { url: url.to_owned(), reference: reference.map(str::to_owned) })
}

#[test]
fn urls_of_built_in_buildpacks_stand_for_them_but_not_with_a_ref() {
    let registry = registry("");
    let nodejs = || Ok(Origin::BuiltIn("nodejs".to_owned()));
    let github = "https://github.com/heroku/heroku-buildpack";
    for text in [
        "heroku/nodejs".to_owned(),
        "urn:buildpack:heroku/nodejs".to_owned(),
        format!("{github}-nodejs"),
        format!("{github}-nodejs.git"),
        "https://buildpack-registry.s3.amazonaws.com/buildpacks/heroku/nodejs.tgz".to_owned(),
    ] {
        assert_eq!(locate(&registry, &text), nodejs(), "{text}");
    }
    assert_eq!(locate(&registry, &format!("{github}-nodejs#v300")), git(&format!("{github}-nodejs"), Some("v300")));
    assert_eq!(locate(&registry, &format!("{github}-unheard")), git(&format!("{github}-unheard"), None));
    assert_eq!(locate(&registry, "heroku-community/inline"), Ok(Origin::Inline));
    assert_eq!(locate(&registry, "heroku/ruby"), git(&format!("{github}-ruby"), None));
}

#[test]
fn the_operator_s_entries_and_the_most_particular_mirror_count() {
    let registry = registry(
        "[buildpacks]\n'heroku/ruby' = '/srv/ruby'\n'acme/x' = { source = 'https://far/x.git#v2', description = 'X' }\n\
         [mirrors]\n'https://far/' = 'https://near/'\n'https://far/deep/' = 'https://nearer/'",
    );
    assert_eq!(locate(&registry, "heroku/ruby"), Ok(Origin::Folder(PathBuf::from("/srv/ruby"))));
    assert_eq!(locate(&registry, "acme/x"), git("https://near/x.git", Some("v2")));
    assert_eq!(locate(&registry, "https://far/deep/y#b"), git("https://nearer/y", Some("b")));
    assert_eq!(locate(&registry, "https://far/a.tgz"), Ok(Origin::Archive { url: "https://near/a.tgz".to_owned() }));
    assert_eq!(registry.find("acme/x").unwrap().description, "X");
}

#[test]
fn a_slip_of_the_pen_is_answered_with_what_was_meant() {
    let registry = registry("");
    let meant = |name: &str| registry.meant(name);
    assert_eq!(meant("heroku/nodej").as_deref(), Some("heroku/nodejs"));
    assert_eq!(meant("herok/pyhton").as_deref(), Some("heroku/python"));
    assert_eq!(meant("heroku/apt").as_deref(), Some("heroku-community/apt"));
    assert_eq!(meant("acme/qqqqqq"), None);
}

#[test]
fn what_is_wrong_in_a_file_is_told() {
    for (text, words) in [
        ("[buildpack]", "buildpack"),
        ("[buildpacks]\nnodejs = 'https://x/y'", "`nodejs` is not a name"),
        ("[buildpacks]\n'a/b' = 'relative/path'", "neither an http(s) URL nor the path of a folder"),
        ("[buildpacks]\n'a/b' = 'builtin:cobol'", "no built-in buildpack `cobol`"),
        ("[aliases]\n'https://x/' = 'a/b'", "must hold one `*`"),
    ] {
        let why = Registry::default().add(text).unwrap_err();
        assert!(why.contains(words), "{text}: {why}");
    }
}

#[test]
fn a_file_that_becomes_wrong_changes_nothing_and_one_that_is_named_must_be_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("buildpacks.toml");
    assert!(RegistryFile::open(Some(path.clone()), PathBuf::new()).is_err());
    let file = RegistryFile::open(None, path.clone()).unwrap();
    assert!(file.current().find("acme/x").is_none());
    // Changes within one tick of the filesystem's clock would look alike.
    let mut at = SystemTime::now();
    let mut write = |text: &str| {
        at += Duration::from_secs(1);
        fs::write(&path, text).unwrap();
        fs::File::options().write(true).open(&path).unwrap().set_modified(at).unwrap();
    };
    write("[buildpacks]\n'acme/x' = '/x'");
    assert!(file.current().find("acme/x").is_some());
    write("[buildpacks\n");
    assert!(file.current().find("acme/x").is_some(), "what it said before holds");
    assert!(RegistryFile::open(None, path.clone()).is_err());
    fs::remove_file(&path).unwrap();
    assert!(file.current().find("acme/x").is_none());
}
