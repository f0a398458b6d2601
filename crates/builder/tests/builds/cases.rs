//! What a build of each kind of app must do.

use std::time::Duration;

use builder::{BuildError, BuildLimits, Rejection};
use images::Image;
use tokio_util::sync::CancellationToken;

use crate::bench::{Bench, Case, example, new_app, tar_of};

pub(crate) const ALL: [(&str, Case); 5] = [
    ("procfile_alone_runs", |bench| Box::pin(procfile_only(bench))),
    ("nothing_detected_is_said", |bench| Box::pin(nothing(bench))),
    ("config_vars_are_files_only", |bench| Box::pin(config_vars(bench))),
    ("hostile_builds_are_bounded", |bench| Box::pin(hostile(bench))),
    ("cancelled_build_ends_at_once", |bench| Box::pin(cancelled(bench))),
];

async fn procfile_only(bench: &Bench) {
    let builder = bench.builder(BuildLimits::default());
    let outcome = bench.build(&builder, new_app(), &example("procfile-only"), &[]).await;
    outcome.says("-----> Procfile app detected\n");
    outcome.says("Procfile declares types -> clock, web\n");
    let built = outcome.built();
    assert_eq!(built.detected, ["heroku/procfile"]);
    let answers = bench.answers(&built, &["/"]).await;
    assert!(answers[0].ends_with("Hello from a Procfile\n"), "{answers:?}");
}

async fn nothing(bench: &Bench) {
    let builder = bench.builder(BuildLimits::default());
    let outcome = bench.build_tar(&builder, new_app(), tar_of(&[("x.c", "")]), &[], &CancellationToken::new()).await;
    outcome.says(" !     No default language could be detected for this app.\n");
    assert_rejected(&outcome.result, &Rejection::NothingDetected);
}

/// An inline buildpack shows what a build sees.
async fn config_vars(bench: &Bench) {
    let builder = bench.builder(BuildLimits::default());
    let compile = "#!/bin/bash\ncompgen -e | sort | grep -vE '_CERT|_CA_|CAINFO|^SSL|PROXY|proxy|^GO|^PIP' | paste -sd' '\n\
        echo \"stack $STACK version $SOURCE_VERSION home $HOME\"; cat \"$3/SECRET\"; echo; echo x >/app/writable; \
        ls /root /home 2>&1 | wc -l; mv \"$2\" \"$1/moved\" && echo same-disk; id -u";
    let tar = tar_of(&[
        (".buildpacks", "heroku-community/inline\n"),
        ("bin/detect", "#!/bin/bash\necho Shown"),
        ("bin/compile", compile),
    ]);
    let config = [("SECRET", "multi\nline"), ("../../x", "out")];
    let outcome = bench.build_tar(&builder, new_app(), tar, &config, &CancellationToken::new()).await;
    outcome.says("BUILDPACK_LOG_FILE CURL_CONNECT_TIMEOUT CURL_TIMEOUT DYNO HOME OLDPWD PATH PWD REQUEST_ID SHLVL SOURCE_VERSION STACK _\n");
    outcome.says("stack heroku-24 version 0123abc home /app\nmulti\nline\n");
    outcome.says("same-disk\n1000\n");
    outcome.says(" !     Warning: the config var ../../x can't be handed to buildpacks");
    outcome.says(" !     Warning: nothing says what to run");
    assert!(outcome.built().detected.is_empty());
}

/// A build that runs `script`.
fn inline(script: &str) -> Vec<u8> {
    let compile = format!("#!/bin/bash\n{script}\n");
    tar_of(&[
        (".buildpacks", "heroku-community/inline\n"),
        ("bin/detect", "#!/bin/bash\necho Evil"),
        ("bin/compile", &compile),
    ])
}

async fn hostile(bench: &Bench) {
    let limits = BuildLimits {
        time: Duration::from_secs(10),
        memory_bytes: 128 * 1024 * 1024,
        disk_bytes: 256 * 1024 * 1024,
        output_bytes: 1024 * 1024,
        ..BuildLimits::default()
    };
    let builder = bench.builder(limits);
    let build = |script: &'static str, limits: BuildLimits| {
        let builder = bench.builder(limits);
        async move { bench.build_tar(&builder, new_app(), inline(script), &[], &CancellationToken::new()).await }
    };

    let memory = build("exec python3 -c 'x = bytearray(1 << 30); x[::4096] = b\"1\" * len(x[::4096])'", limits).await;
    memory.says(" !     The build used more memory than it may (128.0M), and was ended for it.\n");
    assert_rejected(&memory.result, &Rejection::OutOfMemory);

    let disk = build("cat /dev/zero >\"$1/zero\"", limits).await;
    disk.says(" !     The build filled its disk (256.0M).\n");
    assert_rejected(&disk.result, &Rejection::DiskFull);

    let time = build("sleep 1000 & exec sleep 1000", BuildLimits { time: Duration::from_secs(3), ..limits }).await;
    time.says(" !     Timed out compiling Evil app (1 minutes)\n\n !     Push failed\n");
    assert_rejected(&time.result, &Rejection::TimedOut);

    let output = build("yes | head -c 5000000", limits).await;
    output.says("The build's output is too long; the rest of it is left out.\n");
    assert!(output.text.len() < 1_100_000);

    let hole = build("truncate -s 10G \"$1/hole\"", limits).await;
    hole.says(" !     The app can't be packed: ");
    assert_rejected(&hole.result, &Rejection::TooLarge);

    // Links in place of what the server reads afterwards, and a forged report.
    let links = "ln -sf /etc/shadow \"$1/Procfile\"; printf 'app/..\\n/etc\\n../x\\nlink\\n' >/tmp/renga/layers; ln -s /etc \"$1/link\"; \
        rm -rf /tmp/renga/release.yml; ln -s /etc/passwd /tmp/renga/release.yml; printf 'buildpack\\t\\033[2J\\n' >>/tmp/renga/events";
    let outcome = build(links, limits).await;
    outcome.says("Procfile declares types -> (none)\n");
    let built = outcome.built();
    assert_eq!(Image::load(&bench.blobs, built.image).unwrap().layers.len(), 1);

    let killed = build("kill -9 $PPID; kill -9 -1", limits).await;
    assert!(matches!(killed.result, Err(BuildError::Rejected(_))), "{:?}", killed.result);
    killed.says(" !     Push failed\n");

    let blobs = bench.blobs.list().unwrap();
    let slug = BuildLimits { slug_bytes: 1000, ..limits };
    let large = build("head -c 100000 /dev/urandom >\"$1/random\"", slug).await;
    large.says(" !     Compiled slug size: more than 1K is too large (max is 1K).\n");
    assert_rejected(&large.result, &Rejection::TooLarge);
    assert_eq!(bench.blobs.list().unwrap(), blobs, "what is too large is not stored");

    let procfile = build("yes '# nothing' | head -c 300000 >\"$1/Procfile\"", limits).await;
    procfile.says(" !     The Procfile is larger than 256K");
    assert_rejected(&procfile.result, &Rejection::Procfile);
    builder.tidied().await;
}

async fn cancelled(bench: &Bench) {
    let builder = bench.builder(BuildLimits::default());
    let cancel = CancellationToken::new();
    let tar = inline("echo started; exec sleep 1000");
    let build = bench.build_tar(&builder, new_app(), tar, &[], &cancel);
    let stop = async {
        // Once the dyno is there, wherever in its work it is.
        loop {
            let dynos = runtime::Runtime::list(&*bench.runtime).await.unwrap();
            if !dynos.is_empty() {
                return cancel.cancel();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let (outcome, ()) = tokio::join!(build, stop);
    assert!(matches!(outcome.result, Err(BuildError::Cancelled)), "{:?}", outcome.result);
    outcome.says("\n !     Push failed\n");
    assert!(runtime::Runtime::list(&*bench.runtime).await.unwrap().is_empty());
}

#[track_caller]
pub(crate) fn assert_rejected(result: &Result<builder::Built, BuildError>, expected: &Rejection) {
    match result {
        Err(BuildError::Rejected(found)) => assert_eq!(found, expected),
        other => panic!("{expected:?} was expected, not {other:?}"),
    }
}
