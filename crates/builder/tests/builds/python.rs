//! What a build of a Python app must do: each package manager, what is kept
//! between builds, Django's files, hooks, and each way to fail.

use builder::{BuildLimits, Rejection};
use tokio_util::sync::CancellationToken;

use crate::bench::{Bench, Case, Outcome, example, new_app, tar_of, test_app};
use crate::cases::assert_rejected;

pub(crate) const ALL: [(&str, Case); 10] = [
    ("python_app_is_built_cached_and_answers", |bench| Box::pin(pip(bench))),
    ("python_poetry_installs_the_lock_and_the_app", |bench| Box::pin(poetry(bench))),
    ("python_pipenv_takes_a_lockfile_of_an_older_version", |bench| Box::pin(pipenv(bench))),
    ("python_uv_installs_the_lock_and_refuses_another", |bench| Box::pin(uv(bench))),
    ("python_of_another_debian_release_runs", |bench| Box::pin(other_version(bench))),
    ("python_flask_without_a_procfile_is_served_and_others_are_told", |bench| Box::pin(default_web(bench))),
    ("python_django_static_files_are_collected", |bench| Box::pin(django(bench))),
    ("python_hooks_see_config_vars_which_change_nothing_else", |bench| Box::pin(hooks(bench))),
    ("python_contradictions_are_refused", |bench| Box::pin(refusals(bench))),
    ("python_index_out_of_reach_is_said_at_once", |bench| Box::pin(unreachable(bench))),
];

async fn build(bench: &Bench, files: &[(&str, &str)], config: &[(&str, &str)]) -> Outcome {
    let builder = bench.builder(BuildLimits::default());
    bench.build_tar(&builder, new_app(), tar_of(files), config, &CancellationToken::new()).await
}

async fn pip(bench: &Bench) {
    let builder = bench.builder(BuildLimits::default());
    let app = new_app();
    let first = bench.build(&builder, app, &example("python-hello"), &[]).await;
    first.says("-----> Python app detected\n-----> Using Python 3.13");
    first.says("(.python-version asks for 3.13)\n");
    let first = first.built();
    let answers = bench.answers(&first, &["/"]).await;
    assert!(answers[0].contains("Hello from web.1, on Python 3.13"), "{answers:?}");
    builder.tidied().await;
    let second = bench.build(&builder, app, &example("python-hello"), &[]).await;
    second.says("-----> Using cached install of the packages: requirements.txt is unchanged\n");
    assert_eq!(second.built().image, first.image);
}

/// The app is a package with a script, and uses one of its own folders.
async fn poetry(bench: &Bench) {
    let builder = bench.builder(BuildLimits::default());
    let app = new_app();
    let folder = test_app("python-poetry");
    let first = bench.build(&builder, app, &folder, &[]).await;
    first.says("-----> Installing poetry 2.");
    first.says("Successfully installed gunicorn-23.0.0 packaging-25.0\n");
    let answers = bench.answers(&first.built(), &["/"]).await;
    assert!(answers[0].contains("Hello from a package by path\n"), "{answers:?}");
    builder.tidied().await;
    // What is made of the app's own files is installed anew, from the new folder.
    let second = bench.build(&builder, app, &folder, &[]).await;
    second.says("-----> Using cached poetry 2.");
    let answers = bench.answers(&second.built(), &["/"]).await;
    assert!(answers[0].contains("Hello from a package by path\n"), "{answers:?}");
}

async fn pipenv(bench: &Bench) {
    let builder = bench.builder(BuildLimits::default());
    let app = new_app();
    let first = bench.build(&builder, app, &test_app("python-pipenv"), &[]).await;
    first.says("(Pipfile.lock asks for 3.13)\n-----> Installing pipenv 20");
    let first = first.built();
    let answers = bench.answers(&first, &["/"]).await;
    assert!(answers[0].contains("\r\nHello from pipenv\r\n"), "{answers:?}");
    builder.tidied().await;
    let second = bench.build(&builder, app, &test_app("python-pipenv"), &[]).await;
    second.says("-----> Using cached install of the packages: Pipfile.lock is unchanged\n");
    assert_eq!(second.built().image, first.image);
    let lock = r#"{"_meta":{"hash":{"sha256":"0"},"requires":{},"sources":[]},"default":{},"develop":{}}"#;
    let changed = build(bench, &[("Pipfile", "[packages]\nflask = '*'\n"), ("Pipfile.lock", lock)], &[]).await;
    changed.says(" !     Pipfile.lock does not fit the Pipfile.\n !     Run `pipenv lock`");
}

async fn uv(bench: &Bench) {
    let builder = bench.builder(BuildLimits::default());
    let app = new_app();
    let first = bench.build(&builder, app, &test_app("python-uv"), &[]).await;
    first.says("-----> Installing dependencies using 'uv sync --locked --no-default-groups'\n");
    let answers = bench.answers(&first.built(), &["/"]).await;
    assert!(answers[0].ends_with("Hello from a package by path"), "{answers:?}");
    builder.tidied().await;

    let project = "[project]\nname = 'x'\nversion = '1'\nrequires-python = '>=3.13'\ndependencies = ['six']\n";
    let lock = "version = 1\nrequires-python = '>=3.13'\n\n[[package]]\nname = 'x'\nversion = '1'\nsource = { virtual = '.' }\n";
    let tar = tar_of(&[("pyproject.toml", project), ("uv.lock", lock), (".python-version", "3.13\n")]);
    let outdated = bench.build_tar(&builder, app, tar, &[], &CancellationToken::new()).await;
    outdated.says("-----> Using cached uv 0.");
    outdated.says(" !     If it says that the lockfile needs to be updated: run `uv lock`");
    assert_rejected(&outdated.result, &Rejection::CompileFailed("Python".to_owned()));
}

/// One that the stack lacks, with a package that is compiled, and the module
/// of Python's own that wants a newer C library.
async fn other_version(bench: &Bench) {
    let server = "import http.server, os, platform, termios\nfrom markupsafe._speedups import _escape_inner\n\n\
        class Handler(http.server.BaseHTTPRequestHandler):\n    def do_GET(self):\n        self.send_response(200)\n        self.end_headers()\n        \
        speed = termios.tcgetattr.__name__\n        self.wfile.write(f'{platform.python_version()} {speed}'.encode())\n\n\
        http.server.HTTPServer(('', int(os.environ['PORT'])), Handler).serve_forever()\n";
    let files = [
        ("requirements.txt", "--no-binary markupsafe\nmarkupsafe==3.0.2\n"),
        (".python-version", "3.14\n"),
        ("server.py", server),
        ("Procfile", "web: python server.py"),
    ];
    let builder = bench.builder(BuildLimits::default());
    let (app, cancel) = (new_app(), CancellationToken::new());
    let first = bench.build_tar(&builder, app, tar_of(&files), &[], &cancel).await;
    first.says("       Fetching Python 3.14 from the packages of Debian forky\n       It is 3.14.");
    let answers = bench.answers(&first.built(), &["/"]).await;
    assert!(answers[0].contains("\r\n\r\n3.14.") && answers[0].ends_with(" tcgetattr"), "{answers:?}");
    builder.tidied().await;
    let second = bench.build_tar(&builder, app, tar_of(&files), &[], &cancel).await;
    assert!(!second.text.contains("Fetching"), "{}", second.text);
    second.built();
}

async fn default_web(bench: &Bench) {
    let flask = "from flask import Flask\n\napp = Flask(__name__)\n\n@app.get('/')\ndef hello():\n    return 'plain'\n";
    let served = build(bench, &[("requirements.txt", "flask\ngunicorn\n"), ("app.py", flask)], &[]).await;
    served.says("       Default types for buildpack -> web\n");
    let served = served.built();
    assert_eq!(served.process_types[&domain::ProcessType::web()], "gunicorn app:app");
    let answers = bench.answers(&served, &["/"]).await;
    assert!(answers[0].ends_with("plain"), "{answers:?}");

    let fast = build(bench, &[("requirements.txt", "# none"), ("main.py", "app = FastAPI()\n")], &[]).await;
    fast.says(" !     No web process: ");
    fast.says("a line such as `web: uvicorn main:app --host 0.0.0.0 --port $PORT`");
    assert!(fast.built().process_types.is_empty());
}

async fn django(bench: &Bench) {
    let settings = "import os\nSECRET_KEY = os.environ['KEY_OF_APP']\nINSTALLED_APPS = ['django.contrib.staticfiles']\n\
        STATIC_URL = '/s/'\nSTATIC_ROOT = 'collected'\nSTATICFILES_DIRS = ['assets']\n";
    let manage = "import os, sys\nfrom django.core.management import execute_from_command_line\n\
        os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'settings')\nexecute_from_command_line(sys.argv)\n";
    let files = [
        ("requirements.txt", "django==5.2.8\n"),
        ("site/manage.py", manage),
        ("site/settings.py", settings),
        ("assets/own.css", "p {}"),
        ("Procfile", "web: python -m http.server --directory collected $PORT"),
    ];
    let builder = bench.builder(BuildLimits::default());
    let (app, cancel) = (new_app(), CancellationToken::new());
    let collected = bench.build_tar(&builder, app, tar_of(&files), &[("KEY_OF_APP", "x")], &cancel).await;
    collected.says("-----> $ python site/manage.py collectstatic --noinput\n");
    let answers = bench.answers(&collected.built(), &["/own.css"]).await;
    assert!(answers[0].ends_with("p {}"), "{answers:?}");
    builder.tidied().await;

    let failed = bench.build_tar(&builder, app, tar_of(&files), &[], &cancel).await;
    failed.says(" !     Unable to generate Django static files.\n");
    failed.says(" !     The settings ask for KEY_OF_APP, which is not set: heroku config:set KEY_OF_APP=...\n");
    assert_rejected(&failed.result, &Rejection::CompileFailed("Python".to_owned()));
    let disabled = bench.build_tar(&builder, app, tar_of(&files), &[("DISABLE_COLLECTSTATIC", "1")], &cancel).await;
    disabled.says("-----> Skipping Django collectstatic since the env var DISABLE_COLLECTSTATIC is set.\n");
    disabled.built();
}

/// A config var may be named as one of the buildpack's own variables.
async fn hooks(bench: &Bench) {
    let hook = "#!/bin/bash\necho \"own: $OWN, language: $LANG, vars in: $(ls \"$ENV_DIR\" | paste -sd' ')\"\n";
    let files = [
        ("requirements.txt", "\n"),
        ("bin/pre_compile", hook),
        ("bin/post_compile", hook),
        ("Procfile", "web: python -m http.server $PORT"),
    ];
    let config = [
        ("OWN", "mine"),
        ("ENV_DIR", "/nowhere"),
        ("BUILD_DIR", "/nowhere"),
        ("FINAL_DIR", "/nowhere"),
        ("MANAGER", "none"),
        ("LANG", "xx"),
        ("BASH_ENV", "/nowhere"),
    ];
    let outcome = build(bench, &files, &config).await;
    for hook in ["pre_compile", "post_compile"] {
        outcome.says(&format!("-----> Running bin/{hook} hook\n       own: mine, language: "));
    }
    outcome.says("vars in: BASH_ENV BUILD_DIR ENV_DIR FINAL_DIR LANG MANAGER OWN\n");
    assert!(!outcome.text.contains("language: xx"), "{}", outcome.text);
    outcome.built();
    let failing = build(bench, &[("requirements.txt", ""), ("bin/pre_compile", "#!/bin/sh\necho broken; exit 3")], &[]);
    let failing = failing.await;
    failing.says("       broken\n\n !     The hook bin/pre_compile failed");
}

async fn refusals(bench: &Bench) {
    let requirements = ("requirements.txt", "flask\n");
    let cases: [(&[(&str, &str)], &str); 9] = [
        (
            &[requirements, ("runtime.txt", "python-3.9.18\n")],
            "Python 3.9.18, which runtime.txt asks for, can't be had",
        ),
        (
            &[requirements, (".python-version", "pypy\n")],
            "The file .python-version does not name one Python version: pypy",
        ),
        (&[requirements, (".python-version", "3.13\n3.12\n")], "does not name one Python version: 3.13, 3.12"),
        (&[requirements, ("uv.lock", "")], "Multiple Python package manager files were found"),
        (&[("Pipfile", "[packages]\n")], "There is a Pipfile, but no Pipfile.lock"),
        (&[("pyproject.toml", "")], "There is a pyproject.toml: run `uv lock`"),
        (&[("uv.lock", ""), ("pyproject.toml", "")], "Run `uv python pin 3.13`"),
        (&[requirements, (".venv/pyvenv.cfg", "")], "The virtual environment .venv is checked in"),
        (&[requirements, (".heroku/python/x", "")], "The folder .heroku/python is there already"),
    ];
    for (files, words) in cases {
        let outcome = build(bench, files, &[]).await;
        outcome.says(words);
        assert_rejected(&outcome.result, &Rejection::CompileFailed("Python".to_owned()));
    }
}

/// Nothing listens on the port.
async fn unreachable(bench: &Bench) {
    let config = [("PIP_INDEX_URL", "http://name:secret@127.0.0.1:9/simple")];
    let outcome = build(bench, &[("requirements.txt", "flask\n")], &config).await;
    outcome.says(" !     The package index can't be reached: http://127.0.0.1:9/simple\n !     curl: ");
    assert!(!outcome.text.contains("secret"), "{}", outcome.text);
    assert_rejected(&outcome.result, &Rejection::CompileFailed("Python".to_owned()));
}
