//! The driver script, run by this machine's bash on toy buildpacks.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::events::{self, Events, Failure};
use crate::plan::Plan;
use crate::request::SourceOrigin;
use crate::source::Compression;

/// A folder that stands for the build dyno's `/tmp`.
struct Bench {
    tmp: tempfile::TempDir,
    chosen: Vec<String>,
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

    fn choose(mut self, references: &[&str]) -> Self {
        self.chosen = references.iter().map(|reference| (*reference).to_owned()).collect();
        self
    }

    fn run(&self) -> Run {
        let (build, env, folder) = (self.path("build"), self.path("env"), self.path("driver"));
        let plan = Plan {
            build_dir: build.to_str().unwrap(),
            env_dir: env.to_str().unwrap(),
            stack_title: "Debian-13",
            compression: Compression::None,
            origin: self.origin,
            buildpacks: &[],
        };
        let moved = format!(
            "{}CACHE_DIR='{}'\nREPORT_DIR='{}'\nBUILDPACKS_DIR='{}'\nCHOSEN=({})\nLANGUAGES=()\nFALLBACKS=()\n",
            plan.text(),
            self.path("cache").display(),
            self.path("report").display(),
            self.path("buildpacks").display(),
            self.chosen.join(" "),
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
        .choose(&["./one", "two"]);
    write(&bench.path("env").join("KEY"), "value");
    let run = bench.run();
    assert_eq!(run.status, 0, "{}", run.text);
    assert_eq!(
        run.text,
        "-----> Building on the Debian-13 stack\n\
         -----> Using buildpacks:\n       1. ./one\n       2. two\n\
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
fn buildpacks_from_elsewhere_are_refused_by_name() {
    for reference in ["https://git.example/x.git#main", "nobody/nothing", "../out", "/etc", "heroku-community/inline"] {
        let run = Bench::new().file("x", "").choose(&[reference]).run();
        assert_eq!(run.events.failure, Some(Failure::NoSuchBuildpack(reference.to_owned())), "{}", run.text);
        assert!(run.text.contains(reference) && run.text.ends_with(" !     Push failed\n"), "{}", run.text);
    }
}

#[test]
fn an_inline_buildpack_and_a_list_in_the_app_are_honoured() {
    let inline = Bench::new()
        .buildpack(".", "echo Inline", "echo in $PWD", "echo '--- {}'")
        .choose(&["heroku-community/inline"]);
    let run = inline.run();
    assert_eq!(run.status, 0, "{}", run.text);
    assert!(run.text.contains(&format!("in {}\n", inline.path("build").display())), "{}", run.text);

    let listed = Bench::new().buildpack("bp", "echo Toy", "true", "").file(".buildpacks", "# mine\n./bp\n");
    let run = listed.run();
    assert_eq!(run.status, 0, "{}", run.text);
    assert!(run.text.contains("-----> Using buildpack: ./bp\n"), "{}", run.text);
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
