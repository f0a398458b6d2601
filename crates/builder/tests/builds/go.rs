//! What a build of a Go app must do: its programs, where its modules come
//! from, and each way to fail.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use builder::{BuildLimits, Rejection};
use tokio_util::sync::CancellationToken;

use crate::bench::{Bench, Case, example, new_app, tar_of, test_app};
use crate::cases::assert_rejected;

pub(crate) const ALL: [(&str, Case); 3] = [
    ("go_app_is_built_and_answers", |bench| Box::pin(hello(bench))),
    ("go_programs_are_chosen_and_failures_explained", |bench| Box::pin(programs(bench))),
    ("go_credentials_of_private_modules_are_answered", |_| Box::pin(async { credentials() })),
];

async fn hello(bench: &Bench) {
    let builder = bench.builder(BuildLimits::default());
    let outcome = bench.build(&builder, new_app(), &example("go-hello"), &[]).await;
    outcome.says("-----> Go app detected\n-----> Using go1.24");
    outcome.says("Procfile declares types -> web\n");
    let built = outcome.built();
    let answers = bench.answers(&built, &["/"]).await;
    assert!(answers[0].contains("Hello from web.1, on go1.24"), "{answers:?}");
}

/// All builds are of one app, so that the compiler's cache serves them.
async fn programs(bench: &Bench) {
    let builder = bench.builder(BuildLimits::default());
    let (app, cancel) = (new_app(), CancellationToken::new());
    // Two programs; cgo; a module that no proxy has.
    let config = [("GO_LINKER_SYMBOL", "main.version"), ("GOPROXY", "http://127.0.0.1:9")];
    let vendored = bench.build(&builder, app, &test_app("go-vendored"), &config).await;
    vendored.says("       Using the modules in vendor/\n");
    vendored.says("       There is no Procfile, so one was made:\n       web: bin/web\n       worker: bin/worker\n");
    let answers = bench.answers(&vendored.built(), &["/"]).await;
    assert!(answers[0].ends_with("Hello from a vendored module, version 0123abc, root 3"), "{answers:?}");
    builder.tidied().await;

    let main = "package main\n\nfunc main() {}\n";
    let hook = "#!/bin/sh\necho hook; touch made-by-hook";
    let chosen = [
        ("go.mod", "module example.com/x\n\ngo 1.24\n\n// +heroku install ./cmd/a ./cmd/b\n"),
        ("cmd/a/main.go", main),
        ("cmd/b/main.go", main),
        ("cmd/c/main.go", main),
        ("bin/go-pre-compile", hook),
        ("bin/go-post-compile", hook),
        ("bin/a", "an older one"),
    ];
    let chosen = bench.build_tar(&builder, app, tar_of(&chosen), &[], &cancel).await;
    chosen.says("-----> Running bin/go-pre-compile hook\n       hook\n       Packages to install: ./cmd/a ./cmd/b\n");
    chosen.says("-----> Running bin/go-post-compile hook\n       hook\n       Installed: a b (in bin/)\n");
    chosen.says(" !     No web process: none of the programs is named web");
    let types: Vec<String> = chosen.built().process_types.keys().map(ToString::to_string).collect();
    assert_eq!(types, ["a", "b"]);
    builder.tidied().await;

    let module = "module example.com/x\n\ngo 1.24\n";
    let requires = "module example.com/x\n\ngo 1.24\n\nrequire example.com/absent v1.0.0\n";
    let imports = "package main\n\nimport _ \"example.com/absent\"\n\nfunc main() {}\n";
    let sum = ("go.sum", "example.com/absent v1.0.0/go.mod h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n");
    let unreachable = ("GOPROXY", "http://127.0.0.1:9");
    type Files<'a> = &'a [(&'a str, &'a str)];
    let failures: [(Files<'_>, Files<'_>, &str); 8] = [
        (&[("Gopkg.lock", "")], &[], "This app has no go.mod"),
        (&[("go.mod", module), ("x.go", "package x\n")], &[], "This module has no main package"),
        (
            &[("go.mod", module), ("x.go", main)],
            &[("GOVERSION", "latest")],
            "The config var GOVERSION does not name a Go version",
        ),
        (&[("go.mod", module), ("x.go", main)], &[("GOVERSION", "go1.12")], "is too old to build modules"),
        (&[("go.mod", requires), ("x.go", imports)], &[], "go.mod or go.sum is not complete: run `go mod tidy`"),
        (
            &[("go.mod", requires), ("x.go", imports), ("vendor/modules.txt", "")],
            &[],
            "vendor/ does not fit go.mod: run `go mod vendor`",
        ),
        (&[("go.mod", requires), ("x.go", imports), sum], &[unreachable], "The module proxy can't be reached"),
        (&[("go.mod", module), ("x.go", main), ("bin", "")], &[], "The file bin is where the folder"),
    ];
    for (files, config, words) in failures {
        let outcome = bench.build_tar(&builder, app, tar_of(files), config, &cancel).await;
        outcome.says(words);
        assert_rejected(&outcome.result, &Rejection::CompileFailed("Go".to_owned()));
    }
}

/// Git itself asks the script, as it does when go fetches a module.
fn credentials() {
    let vars = tempfile::tempdir().unwrap();
    fs::write(vars.path().join("GO_GIT_CRED__HTTPS__GIT__EXAMPLE__COM"), "ada:to:ken\n").unwrap();
    fs::write(vars.path().join("GO_GIT_CRED__HTTPS__OTHER__EXAMPLE"), "alone").unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../buildpacks/go/lib/git-credentials.sh");
    let helper = format!("!bash '{}' '{}'", script.display(), vars.path().display());
    let asked = |host: &str| {
        let mut git = Command::new("git")
            .args(["-c", "credential.helper=", "-c", &format!("credential.helper={helper}"), "credential", "fill"])
            .env("GIT_TERMINAL_PROMPT", "0")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        git.stdin.take().unwrap().write_all(format!("protocol=https\nhost={host}\n\n").as_bytes()).unwrap();
        String::from_utf8(git.wait_with_output().unwrap().stdout).unwrap()
    };
    assert!(asked("git.example.com").ends_with("username=ada\npassword=to:ken\n"));
    assert!(asked("other.example").ends_with("username=alone\npassword=alone\n"));
    assert_eq!(asked("elsewhere.example"), "");
}
