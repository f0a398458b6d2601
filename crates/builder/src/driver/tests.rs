//! The driver script, run by this machine's bash on toy buildpacks.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::events::{self, Events, Failure};
use crate::plan::{Plan, PlannedSource};
use crate::registry::{Origin, Registry};
use crate::request::SourceOrigin;
use crate::source::Compression;
use crate::supply::{Parcel, Supplied};

/// A folder that stands for the build dyno's `/tmp`.
struct Bench {
    tmp: tempfile::TempDir,
    chosen: Vec<Supplied>,
    origin: SourceOrigin,
}

struct Run {
    text: String,
    events: Events,
    release: String,
    status: i32,
}

impl Bench {
    fn new() -> Self {
        let tmp = tempfile::tempdir().unwrap();
        for folder in ["app", "env", "report", "buildpacks"] {
            fs::create_dir(tmp.path().join(folder)).unwrap();
        }
        Self { tmp, chosen: Vec::new(), origin: SourceOrigin::Git }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.tmp.path().join(name)
    }

    /// A file of the app's source.
    fn file(self, name: &str, content: &str) -> Self {
        write(&self.path("app").join(name), content);
        self
    }

    /// A buildpack in the app's folder `folder`.
    fn buildpack(self, folder: &str, detect: &str, compile: &str, release: &str) -> Self {
        for (script, body) in [("detect", detect), ("compile", compile), ("release", release)] {
            let path = self.path("app").join(folder).join("bin").join(script);
            write(&path, &format!("#!/bin/bash\n{body}\n"));
            // As a tarball made on Windows has it: the driver repairs it.
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        }
        self
    }

    /// Folders of the app, and names that are built in.
    fn choose(mut self, references: &[&str]) -> Self {
        for reference in references {
            let parcel = match Registry::carried().locate(&reference.parse().unwrap()).unwrap() {
                Origin::App(path) => Parcel::App(path),
                Origin::Inline => Parcel::Inline,
                other => panic!("{other:?} lies elsewhere"),
            };
            self.chosen.push(supplied(reference, parcel));
        }
        self
    }

    fn choose_fetched(mut self, shown: &str, parcel: Parcel) -> Self {
        self.chosen.push(supplied(shown, parcel));
        self
    }

    /// A file beside the plan, as fetched ones are.
    fn fetched(self, name: &str, content: &[u8]) -> Self {
        fs::create_dir_all(self.path("driver")).unwrap();
        fs::write(self.path("driver").join(name), content).unwrap();
        self
    }

    fn run(&self) -> Run {
        self.run_from(PlannedSource::Archive { compression: Compression::None, origin: self.origin })
    }

    fn run_from(&self, source: PlannedSource) -> Run {
        let (build, env, folder) = (self.path("build"), self.path("env"), self.path("driver"));
        let plan = Plan {
            build_dir: build.to_str().unwrap(),
            env_dir: env.to_str().unwrap(),
            stack_title: "Debian-13",
            source,
            buildpacks: &self.chosen,
        };
        let moved = format!(
            "{}CACHE_DIR='{}'\nREPORT_DIR='{}'\nBUILDPACKS_DIR='{}'\nLANGUAGES=()\nFALLBACKS=()\n",
            plan.text(),
            self.path("cache").display(),
            self.path("report").display(),
            self.path("buildpacks").display(),
        );
        write(&folder.join("plan"), &moved);
        let tar = Command::new("tar").arg("-C").arg(self.path("app")).args(["-c", "."]).output().unwrap();
        assert!(tar.status.success());
        self.drive(&folder, &tar.stdout)
    }

    fn drive(&self, folder: &Path, source: &[u8]) -> Run {
        let stdin = self.path("source.tar");
        fs::write(&stdin, source).unwrap();
        let output = Command::new("bash")
            .args(["-c", super::SCRIPT, "driver"])
            .arg(folder)
            .env("STACK", "debian-13")
            .stdin(fs::File::open(stdin).unwrap())
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "the driver's own words go to stdout");
        let report = |name: &str| fs::read(self.path("report").join(name)).unwrap_or_default();
        Run {
            text: String::from_utf8(output.stdout).unwrap(),
            events: events::parse(&report("events")),
            release: String::from_utf8(report("release.yml")).unwrap(),
            status: output.status.code().unwrap(),
        }
    }

    /// What lies in the build folder, in order.
    fn built(&self) -> Vec<String> {
        let output =
            Command::new("find").arg(self.path("build")).args(["-type", "f", "-printf", "%P\n"]).output().unwrap();
        let mut files: Vec<String> = String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
        files.sort();
        files
    }
}

fn supplied(shown: &str, parcel: Parcel) -> Supplied {
    Supplied { shown: shown.to_owned(), parcel, words: Vec::new() }
}

fn write(path: &Path, content: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

#[test]
fn several_buildpacks_run_in_order_and_only_later_ones_get_the_export() {
    let bench = Bench::new()
        .buildpack(
            "one",
            "echo One",
            r#"echo "env: $(ls "$3")"; echo x >"$2/cached"; echo 'export FROM_ONE=1' >"$(dirname "$0")/../export"; touch "$1/made""#,
            "echo never",
        )
        .buildpack("two", "echo Two; [ -n \"$FROM_ONE\" ]", "echo \"one says ${FROM_ONE:-nothing}\"; cat \"$2/cached\"", "echo \"r: ${FROM_ONE:-none}\"")
        .choose(&["./one", "./two"]);
    write(&bench.path("env").join("KEY"), "value");
    let run = bench.run();
    assert_eq!(run.status, 0, "{}", run.text);
    assert_eq!(
        run.text,
        "-----> Building on the Debian-13 stack\n\
         -----> Using buildpacks:\n       1. ./one\n       2. ./two\n\
         -----> One app detected\nenv: KEY\n\
         -----> Two app detected\none says 1\nx\n"
    );
    assert!(run.events.done && !run.events.automatic);
    assert_eq!(run.events.description(), "One,Two");
    assert_eq!(run.release, "r: none\n", "the last buildpack's, without the exports");
    assert!(bench.built().contains(&"made".to_owned()));
    assert!(!bench.built().contains(&"one/export".to_owned()), "buildpacks run as copies");
}

#[test]
fn a_failing_compile_says_what_tools_match() {
    let bench = Bench::new().buildpack("bp", "echo Toy", "echo words; echo more >&2; exit 3", "").choose(&["./bp"]);
    let run = bench.run();
    assert_eq!(
        run.text,
        "-----> Building on the Debian-13 stack\n-----> Using buildpack: ./bp\n-----> Toy app detected\nwords\nmore\n \
         !     Push rejected, failed to compile Toy app.\n\n !     Push failed\n"
    );
    assert_eq!((run.status, run.events.failure), (1, Some(Failure::CompileFailed("Toy".to_owned()))));
}

#[test]
fn a_set_buildpack_that_does_not_detect_shows_its_words() {
    let bench = Bench::new().buildpack("bp", "echo no toy here; exit 1", "", "").choose(&["./bp"]);
    let run = bench.run();
    assert!(
        run.text.ends_with(
            "-----> App not compatible with buildpack: ./bp\nno toy here\n\n       More info: \
             https://devcenter.heroku.com/articles/buildpacks#buildpack-auto-detection\n\n !     Push failed\n"
        ),
        "{}",
        run.text
    );
    assert_eq!(run.events.failure, Some(Failure::NotCompatible("./bp".to_owned())));
}

#[test]
fn nothing_detected_names_what_was_looked_for_and_found() {
    let run = Bench::new().file("main.c", "").run();
    assert!(
        run.text.contains(" !     No default language could be detected for this app.\n\t\t\tHINT: "),
        "{}",
        run.text
    );
    assert!(run.text.contains("Found there: main.c\n"), "{}", run.text);
    assert!(run.text.ends_with("\n !     Push failed\n"), "{}", run.text);
    assert_eq!(run.events.failure, Some(Failure::NothingDetected));
}

#[test]
fn a_folder_that_is_not_there_and_one_that_is_no_buildpack_are_refused_by_name() {
    let run = Bench::new().file("x", "").choose(&["./absent"]).run();
    assert_eq!(run.events.failure, Some(Failure::NoSuchBuildpack("./absent".to_owned())), "{}", run.text);
    assert!(run.text.contains(" !     The app has no folder ./absent"), "{}", run.text);

    let run = Bench::new().file("bp/buildpack.toml", "").file("bp/bin/build", "").choose(&["./bp"]).run();
    assert!(
        run.text.ends_with(
            " !     What ./bp names is no buildpack: it has no bin/detect bin/compile.\n \
             !     At its top are: bin buildpack.toml\n \
             !     It seems to be a Cloud Native Buildpack; builds on this stack run classic ones.\n\n !     Push failed\n"
        ),
        "{}",
        run.text
    );

    let run = Bench::new().file("bin/detect", "").choose(&["heroku-community/inline"]).run();
    assert!(run.text.contains("and the app has no bin/compile.\n"), "{}", run.text);
}

#[test]
fn an_inline_buildpack_runs_where_the_app_lies() {
    let inline = Bench::new()
        .buildpack(".", "echo Inline", "echo in $PWD as $0", "echo '--- {}'")
        .choose(&["heroku-community/inline"]);
    let run = inline.run();
    assert_eq!(run.status, 0, "{}", run.text);
    let build = inline.path("build");
    assert!(run.text.contains(&format!("in {0} as {0}/bin/compile\n", build.display())), "{}", run.text);
    assert_eq!(run.release, "--- {}\n");
}

#[test]
fn a_list_in_the_app_is_handed_over_and_the_build_goes_on_with_what_was_brought() {
    let list = "# mine\n./bp\r\n\nhttps://host/x.git#v1  a word\nheroku/nodejs";
    let mut bench = Bench::new().buildpack("bp", "echo Toy", "true", "").file(".buildpacks", list);
    let run = bench.run();
    assert_eq!((run.status, run.events.done), (0, false), "{}", run.text);
    assert_eq!(run.events.listed, ["./bp", "https://host/x.git#v1", "heroku/nodejs"]);
    bench = bench.choose(&["./bp"]);
    let run = bench.run_from(PlannedSource::Unpacked);
    assert!(run.events.done, "{}", run.text);
    assert_eq!(run.text, "-----> Using buildpack: ./bp\n-----> Toy app detected\n");
}

#[test]
fn archives_are_unpacked_from_their_top_or_their_only_folder() {
    for top in [".", "pack-main"] {
        let from = Bench::new().buildpack(&format!("from/{top}"), "echo Fetched", "echo compiled", "");
        let tar = Command::new("tar").arg("-C").arg(from.path("app/from")).args(["-cz", "."]).output().unwrap();
        let parcel = Parcel::Archive { file: "buildpack-0".to_owned() };
        let run = Bench::new().fetched("buildpack-0", &tar.stdout).choose_fetched("https://h/x.tgz", parcel).run();
        assert_eq!(run.status, 0, "{}", run.text);
        assert!(run.text.contains("-----> Using buildpack: https://h/x.tgz\n-----> Fetched app detected\ncompiled\n"));
    }
}

#[test]
fn a_pack_is_checked_out_at_its_commit_and_no_other() {
    let bench = Bench::new().buildpack("repository", "echo Fetched", "ls -A \"$(dirname \"$0\")/..\"", "");
    let git = |arguments: &[&str]| {
        let mut git = Command::new("git");
        git.args(["-c", "user.name=x", "-c", "user.email=x@x"]).arg("-C").arg(bench.path("app/repository"));
        let output = git.args(arguments).stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    git(&["init", "-q"]);
    git(&["add", "."]);
    git(&["commit", "-qm", "x"]);
    let commit = String::from_utf8(git(&["rev-parse", "HEAD"])).unwrap().trim().to_owned();
    let pack = git(&["pack-objects", "--all", "--stdout", "--revs", "-q"]);
    let parcel = |commit: &str| Parcel::Pack { file: "buildpack-0".to_owned(), commit: commit.to_owned() };
    let run = |pack: &[u8], commit: &str| {
        Bench::new().fetched("buildpack-0", pack).choose_fetched("https://h/x", parcel(commit)).run()
    };
    let good = run(&pack, &commit);
    assert_eq!(good.status, 0, "{}", good.text);
    assert!(good.text.ends_with("-----> Fetched app detected\nbin\n"), "{}", good.text);

    for (pack, commit) in [(&pack[..], &*"1".repeat(40)), (&pack[..pack.len() - 1], &*commit), (b"junk", &*commit)] {
        let bad = run(pack, commit);
        assert_eq!(bad.events.failure, Some(Failure::BrokenBuildpack("https://h/x".to_owned())), "{}", bad.text);
        assert!(bad.text.contains("was fetched, but can't be unpacked:\n !     "), "{}", bad.text);
    }
}

#[test]
fn a_release_script_that_fails_is_warned_of() {
    let run = Bench::new().buildpack("bp", "echo Toy", "true", "echo oh >&2; exit 7").choose(&["./bp"]).run();
    assert!(run.events.done, "{}", run.text);
    assert!(
        run.text.ends_with(" !     Warning: bin/release of Toy ended with status 7; it says:\n !     oh\n"),
        "{}",
        run.text
    );
}

#[test]
fn slugignore_deletes_before_the_buildpacks_run() {
    let mut bench = Bench::new()
        .buildpack("bp", "echo Toy", "true", "")
        .file(".slugignore", "# comment\n*.psd\r\n/docs\nsrc/**/*.tmp\n!keep.psd\n../../x\n\nwith space/\n")
        .choose(&["./bp"]);
    for name in ["a.psd", "deep/b.psd", "docs/x", "deep/docs/y", "src/a/b/c.tmp", "src/d.tmp", "with space/z", "kept"] {
        bench = bench.file(name, "");
    }
    write(&bench.path("x"), "outside");
    let run = bench.run();
    assert_eq!(run.status, 0, "{}", run.text);
    assert!(run.text.contains("-----> Deleting 6 files matching .slugignore patterns.\n"), "{}", run.text);
    let built: Vec<String> = bench.built().into_iter().filter(|name| !name.starts_with("bp/")).collect();
    assert_eq!(built, [".slugignore", "deep/docs/y", "kept"]);
    assert!(bench.path("x").exists());
}

#[test]
fn an_archive_s_only_folder_is_the_app_but_a_pushed_one_stays() {
    let app = |origin| {
        let mut bench = Bench::new().buildpack("top/bp", "echo Toy", "true", "").file("top/file", "");
        bench.origin = origin;
        bench
    };
    let archive = app(SourceOrigin::Archive).choose(&["./bp"]);
    assert_eq!(archive.run().status, 0);
    assert!(archive.built().contains(&"file".to_owned()));
    let pushed = app(SourceOrigin::Git).choose(&["./top/bp"]);
    assert_eq!(pushed.run().status, 0);
    assert!(pushed.built().contains(&"top/file".to_owned()));
    let several = app(SourceOrigin::Archive).file("other", "").choose(&["./top/bp"]);
    assert_eq!(several.run().status, 0);
    assert!(several.built().contains(&"other".to_owned()));
}

#[test]
fn what_is_no_archive_is_refused_with_tar_s_words() {
    let bench = Bench::new().file("x", "");
    let first = bench.run();
    assert_eq!(first.events.failure, Some(Failure::NothingDetected));
    let bench = Bench::new().file("x", "");
    bench.run();
    fs::remove_dir_all(bench.path("build")).unwrap();
    let run = bench.drive(&bench.path("driver"), &[b'x'; 2000]);
    assert_eq!(run.events.failure, Some(Failure::Source));
    assert!(run.text.contains(" !     Push rejected, the source could not be unpacked.\n"), "{}", run.text);
    assert!(run.text.contains("tar: "), "{}", run.text);
}

#[test]
fn a_buildpack_that_exports_nonsense_or_exits_in_its_export_does_not_stop_the_driver_s_report() {
    let bench = Bench::new()
        .buildpack("one", "echo One", r#"echo 'exit 5' >"$(dirname "$0")/../export""#, "")
        .buildpack("two", "echo Two", "true", "")
        .choose(&["./one", "./two"]);
    let run = bench.run();
    assert_eq!(run.status, 1, "{}", run.text);
    assert_eq!(run.events.failure, Some(Failure::NotCompatible("./two".to_owned())));
}
