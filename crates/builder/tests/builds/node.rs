//! What a build of a Node.js app must do: each package manager, what is kept
//! between builds, and each way to fail.

use builder::{BuildLimits, Built, Rejection};
use images::Image;
use tokio_util::sync::CancellationToken;

use crate::bench::{Bench, Case, Outcome, example, new_app, tar_of, test_app};
use crate::cases::assert_rejected;

pub(crate) const ALL: [(&str, Case); 10] = [
    ("node_js_app_is_built_cached_and_answers", |bench| Box::pin(npm(bench))),
    ("node_js_comes_from_the_registry_and_builds_with_dev_dependencies", |bench| Box::pin(registry(bench))),
    ("node_js_yarn_classic_is_installed_built_and_pruned", |bench| Box::pin(yarn_classic(bench))),
    ("node_js_yarn_runs_plug_n_play", |bench| Box::pin(yarn_berry(bench))),
    ("node_js_pnpm_workspace_is_installed_built_and_pruned", |bench| Box::pin(pnpm(bench))),
    ("node_js_lockfiles_that_do_not_fit_are_refused", |bench| Box::pin(outdated(bench))),
    ("node_js_contradictions_are_refused", |bench| Box::pin(contradictions(bench))),
    ("node_js_scripts_run_in_order_and_folders_are_kept", |bench| Box::pin(scripts(bench))),
    ("node_js_config_vars_reach_scripts_and_registries_only", |bench| Box::pin(config_vars(bench))),
    ("node_js_registry_out_of_reach_is_said_at_once", |bench| Box::pin(unreachable(bench))),
];

async fn npm(bench: &Bench) {
    let builder = bench.builder(BuildLimits::default());
    let app = new_app();
    let first = bench.build(&builder, app, &example("node-hello"), &[]).await;
    first.says("-----> Building on the Debian-13 stack\n-----> Determining which buildpack to use for this app\n");
    first.says("-----> Node.js app detected\n");
    first.says("Resolving node version 20.x (engines.node in package.json)... using 20.");
    first.says("-----> Discovering process types\n       Procfile declares types -> web\n\n-----> Compressing...\n       Done: ");
    let first = first.built();
    assert_eq!(first.detected, ["heroku/nodejs"]);
    assert_eq!((first.description.as_str(), first.stack.as_str()), ("Node.js", "debian-13"));
    let answers = bench.answers(&first, &["/"]).await;
    assert!(answers[0].contains("Hello from web.1, on Node.js v20"), "{answers:?}");

    builder.tidied().await;
    let second = bench.build(&builder, app, &example("node-hello"), &[]).await;
    second.says(FROM_CACHE);
    let second = second.built();
    println!("rebuilt from the cache: {:?}", second.timings);
    assert_eq!(layers(bench, &second), layers(bench, &first));
    builder.purge_cache(app).await.unwrap();
}

const FROM_CACHE: &str = "Using node_modules from the cache: package.json and ";

fn layers(bench: &Bench, built: &Built) -> Vec<images::Layer> {
    Image::load(&bench.blobs, built.image).unwrap().layers
}

async fn build(bench: &Bench, files: &[(&str, &str)], config: &[(&str, &str)]) -> Outcome {
    let builder = bench.builder(BuildLimits::default());
    bench.build_tar(&builder, new_app(), tar_of(files), config, &CancellationToken::new()).await
}

/// Without a version asked for; `left-pad` is a development dependency of the
/// build script, and not to be had afterwards.
async fn registry(bench: &Bench) {
    let manifest = r#"{"name":"x","scripts":{"build":"node build.js"},"devDependencies":{"left-pad":"1.3.0"}}"#;
    let script = r#"require("fs").writeFileSync("server.js", `
        const had = (() => { try { require("left-pad"); return true } catch { return false } })();
        require("http").createServer((q, s) => s.end("${require("left-pad")("x", 3)} " + had + " " + process.version)).listen(process.env.PORT)`)"#;
    let outcome =
        build(bench, &[("package.json", manifest), ("build.js", script), ("Procfile", "web: node server.js")], &[])
            .await;
    outcome.says("No Node.js version specified, resolving current LTS version... using 24.");
    outcome
        .says(" !     Warning: there is no lockfile, so versions may differ from build to build. Run `npm install`,");
    outcome.says("-----> Pruning devDependencies\n");
    let built = outcome.built();
    let answers = bench.answers(&built, &["/"]).await;
    assert!(answers[0].contains("  x false v24."), "{answers:?}");
}

/// Builds the app twice: the second time nothing is installed, and the layers
/// are the same.
async fn twice(bench: &Bench, name: &str, first_says: &[&str], answer: &str) {
    let builder = bench.builder(BuildLimits::default());
    let app = new_app();
    let first = bench.build(&builder, app, &test_app(name), &[]).await;
    first_says.iter().for_each(|words| first.says(words));
    let first = first.built();
    let answers = bench.answers(&first, &["/"]).await;
    assert!(answers[0].ends_with(answer), "{answers:?}");
    builder.tidied().await;
    let second = bench.build(&builder, app, &test_app(name), &[]).await;
    second.says(FROM_CACHE);
    second.says("-----> Pruning devDependencies\n       Using the modules without them from the cache\n");
    let second = second.built();
    assert_eq!(layers(bench, &second), layers(bench, &first));
    builder.purge_cache(app).await.unwrap();
}

async fn yarn_classic(bench: &Bench) {
    let says = ["Downloading and installing yarn 1.22.", "(the default for yarn.lock)\n", "Running build (yarn)\n"];
    twice(bench, "yarn-classic", &says, "built true left-pad true is-odd false plugged false").await;
}

async fn yarn_berry(bench: &Bench) {
    let says = ["packageManager (package.json): yarn@4.9.2\n", "       Using yarn 4.9.2\n"];
    twice(bench, "yarn-plug-n-play", &says, "built true left-pad true is-odd false plugged true").await;
}

async fn pnpm(bench: &Bench) {
    let says = [
        "Downloading and installing pnpm 9.15.4 (packageManager in package.json)\n",
        "Detected both \"build\" and \"heroku-postbuild\" scripts\n       Running heroku-postbuild (pnpm)\n",
    ];
    twice(bench, "pnpm-workspace", &says, "Hello   you, built true is-odd false").await;
}

/// Package and lockfile; each manager's own words, and what to do.
async fn outdated(bench: &Bench) {
    let manifest = r#"{"name":"x","engines":{"node":"20.x"},"dependencies":{"left-pad":"1.3.0"}}"#;
    let cases = [
        (
            "package-lock.json",
            r#"{"name":"x","lockfileVersion":3,"packages":{"":{"name":"x"}}}"#,
            "Missing: left-pad@",
            "npm",
        ),
        ("yarn.lock", "# yarn lockfile v1\n", "Your lockfile needs to be updated", "yarn"),
        (
            "yarn.lock",
            "__metadata:\n  version: 8\n  cacheKey: 10c0\n\n\"x@workspace:.\":\n  version: 0.0.0-use.local\n  resolution: \"x@workspace:.\"\n  languageName: unknown\n  linkType: soft\n",
            "YN0028",
            "yarn",
        ),
        ("pnpm-lock.yaml", "lockfileVersion: '9.0'\n\nimporters:\n\n  .: {}\n", "ERR_PNPM_OUTDATED_LOCKFILE", "pnpm"),
    ];
    for (lockfile, lock, words, manager) in cases {
        let outcome = build(bench, &[("package.json", manifest), (lockfile, lock)], &[]).await;
        outcome.says(words);
        outcome.says(&format!(" !     {lockfile} does not fit package.json, so {manager}"));
        outcome.says(&format!(" !     Run `{manager} install` on your machine, and commit the"));
        outcome.says(" !     Push rejected, failed to compile Node.js app.\n\n !     Push failed\n");
        assert_rejected(&outcome.result, &Rejection::CompileFailed("Node.js".to_owned()));
    }
}

async fn contradictions(bench: &Bench) {
    let plain = r#"{"name":"x"}"#;
    let cases: [(&[(&str, &str)], &str); 8] = [
        (
            &[("package.json", plain), ("yarn.lock", ""), ("package-lock.json", "{}")],
            " !     Error: Multiple lockfiles found.\n",
        ),
        (
            &[("package.json", plain), ("yarn.lock", ""), ("npm-shrinkwrap.json", "{}")],
            "conflicting with npm-shrinkwrap.json.\n",
        ),
        (
            &[("package.json", r#"{"engines":{"npm":"10","yarn":"1"}}"#)],
            " !     Multiple package managers declared in package.json\n",
        ),
        (&[("package.json", "{")], " !     package.json can't be read: "),
        (&[("package.json", plain), (".heroku/node/x", "")], " !     The folder .heroku is checked in"),
        (
            &[("package.json", r#"{"engines":{"node":"new"}}"#)],
            " !     engines.node in package.json is not a version range: new\n",
        ),
        (
            &[("package.json", r#"{"engines":{"node":"99.x"}}"#)],
            " !     No version of Node.js fits 99.x (engines.node in package.json).\n",
        ),
        (
            &[("package.json", r#"{"engines":{"node":"20.x"},"packageManager":"pnpm@9.15.4+sha256.00"}"#)],
            "is not the one that packageManager in package.json names:\n",
        ),
    ];
    for (files, words) in cases {
        let outcome = build(bench, files, &[]).await;
        outcome.says("-----> Build failed\n");
        outcome.says(words);
        assert_rejected(&outcome.result, &Rejection::CompileFailed("Node.js".to_owned()));
    }
}

/// A later build finds what an earlier one left in a folder that it names, and
/// not what it wrote into installed modules; what an installation makes of the
/// app's own files is made anew.
async fn scripts(bench: &Bench) {
    let builder = bench.builder(BuildLimits::default());
    let app = new_app();
    let manifest = r#"{
        "name": "x", "engines": { "node": "20.x" }, "cacheDirectories": ["kept", "../out"],
        "scripts": {
            "heroku-prebuild": "echo 1 pre $(cat kept/file)",
            "postinstall": "echo 2 post; cp source node_modules/left-pad/generated",
            "heroku-postbuild": "cat node_modules/left-pad/added; echo dirt >>node_modules/left-pad/added; mkdir -p kept; echo was here >kept/file",
            "heroku-cleanup": "rm kept/file; echo 4 clean",
            "start": "node server.js"
        },
        "dependencies": { "left-pad": "1.3.0" }, "devDependencies": { "is-number": "6.0.0" }
    }"#;
    let lock = r#"{"name":"x","lockfileVersion":3,"requires":true,"packages":{
        "":{"name":"x","hasInstallScript":true,"dependencies":{"left-pad":"1.3.0"},"devDependencies":{"is-number":"6.0.0"}},
        "node_modules/left-pad":{"version":"1.3.0","integrity":"sha512-XI5MPzVNApjAyhQzphX8BkmKsKUxD4LdyK24iZeQGinBN9yTQT3bFlCBy/aVx2HrNcqQGsdot8ghrjyrvMCoEA=="},
        "node_modules/is-number":{"version":"6.0.0","dev":true,"integrity":"sha512-Wu1VHeILBK8KAWJUAiSZQX94GmOE45Rg6/538fKwiloUu21KncEkYGPqob2oSZ5mUT73vLGrHQjKw3KMPwfDzg=="}}}"#;
    let server = r#"const fs = require("fs"), made = fs.readFileSync("node_modules/left-pad/generated") + " " + fs.existsSync("node_modules/is-number");
        require("http").createServer((request, response) => response.end(made)).listen(process.env.PORT)"#;
    for source in ["first", "second", "third"] {
        let files =
            [("package.json", manifest), ("package-lock.json", lock), ("server.js", server), ("source", source)];
        let outcome = bench.build_tar(&builder, app, tar_of(&files), &[], &CancellationToken::new()).await;
        let text = &outcome.text;
        let places = ["1 pre", "2 post", "Running heroku-postbuild", "4 clean"].map(|words| text.rfind(words));
        assert!(places.is_sorted() && places[0].is_some(), "{places:?} in\n{text}");
        outcome.says(
            " !     Warning: cacheDirectories in package.json names \"../out\", which is no folder of the app.\n",
        );
        let is_later = source != "first";
        assert_eq!(text.contains("1 pre was here"), is_later, "{text}");
        assert_eq!(text.contains(FROM_CACHE), is_later, "{text}");
        assert!(!text.contains("\n       dirt"), "{text}");
        let answers = bench.answers(&outcome.built(), &["/"]).await;
        assert!(answers[0].ends_with(&format!("{source} false")), "{answers:?}");
        builder.tidied().await;
    }
    builder.purge_cache(app).await.unwrap();
}

/// The prebuild script serves a registry that wants a token, which only a
/// config var holds. Names that a script of ours might use mean nothing.
async fn config_vars(bench: &Bench) {
    let serve = r#"
        const http = require("http"), zlib = require("zlib"), fs = require("fs"), { execSync } = require("child_process");
        fs.mkdirSync("/tmp/p/package", { recursive: true });
        fs.writeFileSync("/tmp/p/package/package.json", '{"name":"@own/secret","version":"1.0.0"}');
        fs.writeFileSync("/tmp/p/package/index.js", 'module.exports = "private"');
        execSync("tar -C /tmp/p -czf /tmp/p.tgz package");
        http.createServer((request, response) => {
            if (request.headers.authorization !== "Bearer t0k3n") return response.writeHead(401).end();
            if (request.url.endsWith(".tgz")) return response.end(fs.readFileSync("/tmp/p.tgz"));
            const dist = { tarball: "http://127.0.0.1:4873/p.tgz" };
            response.end(JSON.stringify({ name: "@own/secret", "dist-tags": { latest: "1.0.0" },
                versions: { "1.0.0": { name: "@own/secret", version: "1.0.0", dist } } }));
        }).listen(4873, "127.0.0.1", () => fs.writeFileSync("/tmp/ready", ""));"#;
    let manifest = r#"{"name":"x","engines":{"node":"20.x"},"dependencies":{"@own/secret":"1.0.0"},"scripts":{"start":"true",
        "heroku-prebuild":"rm -f /tmp/ready; (node serve.js >/dev/null 2>&1 &); for i in $(seq 100); do [ -e /tmp/ready ] && exit; sleep 0.1; done; exit 1",
        "build":"echo \"$BUILD|$MULTI|$PATH\"; node -p 'require(\"@own/secret\")'"}}"#;
    let files = [
        ("package.json", manifest),
        ("serve.js", serve),
        (".npmrc", "@own:registry=http://127.0.0.1:4873/\n//127.0.0.1:4873/:_authToken=${NPM_TOKEN}\n"),
    ];
    let clashes = ["BUILD", "WORK", "CACHE_DIR", "BUILD_DIR", "NODE_VERSION", "PATH", "HOME", "IFS", "1BAD"];
    let mut config: Vec<(&str, &str)> = clashes.map(|name| (name, "/clash")).into();
    config.extend([("MULTI", "two\nlines"), ("NPM_TOKEN", "t0k3n")]);
    let outcome = build(bench, &files, &config).await;
    outcome.says("       /clash|two\n       lines|/tmp/build_");
    outcome.says("       private\n");
    outcome.built();

    let refused = build(bench, &files, &[("NPM_TOKEN", "stale")]).await;
    refused.says(" !     The registry refused the login. Is the config var that .npmrc or .yarnrc.yml names set? heroku config\n");
}

/// Port 9 of the dyno itself: nothing answers there.
async fn unreachable(bench: &Bench) {
    let manifest = r#"{"name":"x","engines":{"node":"20.x"},"dependencies":{"left-pad":"1.3.0"}}"#;
    let nowhere = [("NPM_CONFIG_REGISTRY", "http://127.0.0.1:9/")];
    let words = "The npm registry http://127.0.0.1:9 can't be reached: ";
    for (files, start) in [
        (vec![("package.json", manifest)], " !     npm install failed. "),
        (
            vec![("package.json", manifest), ("pnpm-lock.yaml", "lockfileVersion: '9.0'\n")],
            " !     The npm registry does not tell which versions of pnpm there are:\n !     ",
        ),
        (
            vec![("package.json", r#"{"engines":{"node":"24.1.0"}}"#)],
            " !     Node.js 24.1.0 can't be downloaded.\n !     ",
        ),
    ] {
        let outcome = build(bench, &files, &nowhere).await;
        outcome.says(&format!("{start}{words}"));
        assert_rejected(&outcome.result, &Rejection::CompileFailed("Node.js".to_owned()));
    }
}
