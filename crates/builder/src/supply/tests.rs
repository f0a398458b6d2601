//! Buildpacks from a host on loopback.

use std::fs;
use std::path::PathBuf;

use super::*;

#[path = "../../tests/builds/host.rs"]
mod host;

use host::Host;

const PACK: [(&str, &str); 2] = [("bin/detect", "#!/bin/sh\n"), ("bin/compile", "#!/bin/sh\n")];

struct Bench {
    folder: tempfile::TempDir,
    supplies: Supplies,
    host: Host,
}

impl Bench {
    fn new() -> Self {
        Self::allowing(true)
    }

    fn allowing(allow_private: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf { folder: folder.path().join("shelf"), limit_bytes: 1 << 20 };
        shelf.open().unwrap();
        let registry = RegistryFile::open(None, folder.path().join("buildpacks.toml")).unwrap();
        let settings = fetch::Settings { allow_private, ..fetch::Settings::default() };
        let supplies = Supplies { registry, shelf, fetcher: Fetcher::new(settings).unwrap() };
        Self { folder, supplies, host: Host::start() }
    }

    /// `{host}` in the text stands for the host's URL.
    fn supply(&self, text: &str) -> Result<Supplied, NotSupplied> {
        let into = tempfile::tempdir_in(self.folder.path()).unwrap();
        self.supplies.supply(&self.reference(text), 0, into.path(), &|| false)
    }

    fn reference(&self, text: &str) -> BuildpackRef {
        text.replace("{host}", &self.host.url).parse().unwrap()
    }

    #[track_caller]
    fn commit_of(&self, text: &str) -> String {
        match self.supply(text).unwrap().parcel {
            Parcel::Pack { commit, .. } => commit,
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    fn refusal(&self, text: &str) -> String {
        self.supply(text).unwrap_err().to_string().replace(&self.host.url, "{host}")
    }

    fn packs_fetched(&self) -> usize {
        // Of each fetch the first POST asks for refs and the second for the pack.
        self.host.asked().iter().filter(|asked| asked.starts_with("POST")).count().saturating_sub(1)
    }
}

#[test]
fn a_ref_may_be_a_branch_with_slashes_a_tag_or_a_commit() {
    let bench = Bench::new();
    let first = bench.host.commit("x.git", "main", &PACK);
    bench.host.tag("x.git", "v1");
    let main = bench.host.commit("x.git", "main", &[("more", "1")]);
    let branch = bench.host.commit("x.git", "feature/with/slashes", &[("more", "2")]);
    assert_eq!(bench.commit_of("{host}/x.git"), main);
    assert_eq!(bench.commit_of("{host}/x.git#main"), main);
    assert_eq!(bench.commit_of("{host}/x.git#feature/with/slashes"), branch);
    assert_eq!(bench.commit_of("{host}/x.git#v1"), first, "an annotated tag stands for what it marks");
    assert_eq!(bench.commit_of("{host}/x.git#refs/tags/v1"), first);
    assert_eq!(bench.commit_of(&format!("{{host}}/x.git#{first}")), first);
    assert_eq!(bench.commit_of(&format!("{{host}}/x.git#{}", &branch[..10])), branch);
}

#[test]
fn a_commit_is_fetched_once_and_one_that_is_named_is_not_even_asked_for() {
    let bench = Bench::new();
    let first = bench.host.commit("x.git", "main", &PACK);
    let said = bench.supply("{host}/x.git").unwrap().words;
    assert_eq!(said, [format!("       {}/x.git: commit {}, fetched", bench.host.url, &first[..7])]);
    assert_eq!(bench.packs_fetched(), 1);
    let said = bench.supply("{host}/x.git").unwrap().words;
    assert_eq!(said, [format!("       {}/x.git: commit {}, fetched before", bench.host.url, &first[..7])]);
    assert_eq!(bench.packs_fetched(), 0);
    bench.supply(&format!("{{host}}/x.git#{first}")).unwrap();
    assert!(bench.host.asked().is_empty());
    let second = bench.host.commit("x.git", "main", &[("more", "")]);
    assert_eq!(bench.commit_of("{host}/x.git"), second);
}

#[test]
fn what_the_host_says_no_to_is_told_by_name() {
    let bench = Bench::new();
    bench.host.commit("x.git", "main", &PACK);
    bench.host.file("page", b"<html>");
    assert_eq!(
        bench.refusal("{host}/none.git"),
        "there is no git repository at {host}/none.git: its host knows nothing there"
    );
    assert_eq!(bench.refusal("{host}/x.git#nope"), "the repository {host}/x.git has no branch or tag `nope`");
    assert!(bench.refusal("{host}/x.git#abcdef0").ends_with("; if it is a commit, give all 40 digits of its id"));
    let unknown = bench.refusal(&format!("{{host}}/x.git#{}", "1".repeat(40)));
    assert!(unknown.starts_with("the repository {host}/x.git says: "), "{unknown}");
    assert!(bench.refusal("{host}/none.tgz").contains(" answered 404: there is no such thing"));
    bench.host.make_private();
    assert!(bench.refusal("{host}/x.git").contains("asks for a name and password"));
    let known = bench.host.url.replace("http://", "http://me:secret@");
    let supplied = bench.supply(&format!("{known}/x.git")).unwrap();
    assert!(!format!("{supplied:?}").contains("secret"));
}

#[test]
fn the_last_copy_is_used_with_a_warning_while_the_host_is_away() {
    let mut bench = Bench::new();
    let commit = bench.host.commit("x.git", "main", &PACK);
    bench.host.tarball("x.tgz", "", &PACK);
    bench.supply("{host}/x.git").unwrap();
    let archive = bench.supply("{host}/x.tgz").unwrap();
    bench.host.stop();
    let supplied = bench.supply("{host}/x.git").unwrap();
    assert_eq!(supplied.parcel, Parcel::Pack { file: "buildpack-0".to_owned(), commit });
    assert_eq!(supplied.words[0], " !     Warning: 127.0.0.1 can't be reached: it refuses the connection.");
    assert_eq!(bench.supply("{host}/x.tgz").unwrap().parcel, archive.parcel);
    let never = bench.supply("{host}/other.git").unwrap_err();
    assert_eq!(never.to_string(), "127.0.0.1 can't be reached: it refuses the connection");
    assert!(never.advice(&PathBuf::from("/d/buildpacks.toml")).join(" ").contains("/d/buildpacks.toml"));
}

#[test]
fn an_archive_is_fetched_again_only_when_it_has_changed() {
    let bench = Bench::new();
    bench.host.tarball("x.tar.gz", "", &PACK);
    let first = bench.supply("{host}/x.tar.gz?token=1").unwrap();
    assert!(first.words[0].ends_with(", fetched"), "{first:?}");
    let second = bench.supply("{host}/x.tar.gz?token=1").unwrap();
    assert!(second.words[0].ends_with(", fetched before"), "{second:?}");
    assert_eq!(bench.host.asked(), ["GET /x.tar.gz?token=1"; 2]);
    bench.host.tarball("x.tar.gz", "", &[PACK[0], PACK[1], ("more", "")]);
    let third = bench.supply("{host}/x.tar.gz?token=1").unwrap();
    assert!(third.words[0].ends_with(", fetched") && third.words != first.words, "{third:?}");
}

#[test]
fn private_addresses_are_refused_with_the_setting_that_allows_them() {
    let bench = Bench::allowing(false);
    bench.host.commit("x.git", "main", &PACK);
    for text in ["{host}/x.git", "{host}/x.tgz"] {
        let refused = bench.supply(text).unwrap_err();
        assert!(refused.to_string().contains("the private address 127.0.0.1"), "{refused}");
        assert!(refused.advice(&PathBuf::new()).join(" ").contains("--allow-private-sources"));
    }
    assert!(bench.host.asked().is_empty());
}

#[test]
fn what_was_broken_is_forgotten_and_fetched_anew() {
    let bench = Bench::new();
    bench.host.commit("x.git", "main", &PACK);
    bench.supply("{host}/x.git").unwrap();
    bench.host.asked();
    bench.supplies.forget(&bench.reference("{host}/x.git")).unwrap();
    bench.supply("{host}/x.git").unwrap();
    assert_eq!(bench.packs_fetched(), 1);
}

#[test]
fn the_operator_s_file_names_folders_mirrors_and_is_read_when_it_changes() {
    let bench = Bench::new();
    let commit = bench.host.commit("mirror/pack.git", "main", &PACK);
    let own = bench.folder.path().join("own");
    fs::create_dir_all(own.join("bin")).unwrap();
    fs::write(own.join("bin/compile"), "").unwrap();
    let text = format!(
        "[buildpacks]\n\"acme/own\" = \"{}\"\n\"acme/gone\" = \"/no/such/folder\"\n[mirrors]\n\"https://far.example/\" = \"{}/mirror/\"\n",
        own.display(),
        bench.host.url
    );
    assert!(bench.refusal("acme/own").contains("There is no buildpack acme/own"));
    fs::write(bench.folder.path().join("buildpacks.toml"), text).unwrap();
    assert_eq!(bench.supply("acme/own").unwrap().parcel, Parcel::Archive { file: "buildpack-0".to_owned() });
    assert!(bench.refusal("acme/gone").contains("`/no/such/folder` of the server"));
    assert_eq!(bench.commit_of("https://far.example/pack.git"), commit);
}
