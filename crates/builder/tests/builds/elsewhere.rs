//! Builds with buildpacks from elsewhere: hosts, archives, the app's own list.

use builder::{BuildLimits, Rejection};
use tokio_util::sync::CancellationToken;

use crate::bench::{Bench, Case, Outcome, new_app, tar_of};
use crate::cases::assert_rejected;
use crate::host::Host;

pub(crate) const ALL: [(&str, Case); 5] = [
    ("buildpacks_of_a_list_are_fetched_chained_and_kept", |bench| Box::pin(listed(bench))),
    ("buildpack_url_names_an_archive", |bench| Box::pin(by_config_var(bench))),
    ("private_buildpack_is_fetched_with_a_password_that_is_not_shown", |bench| Box::pin(private(bench))),
    ("buildpack_that_can_not_be_had_is_told_by_name", |bench| Box::pin(absent(bench))),
    ("hostile_archive_stays_in_its_dyno", |bench| Box::pin(hostile(bench))),
];

async fn build(bench: &Bench, files: &[(&str, &str)], config: &[(&str, &str)]) -> Outcome {
    let builder = bench.builder(BuildLimits::default());
    let outcome = bench.build_tar(&builder, new_app(), tar_of(files), config, &CancellationToken::new()).await;
    builder.tidied().await;
    outcome
}

async fn listed(bench: &Bench) {
    let mut host = Host::start();
    let compile = "#!/bin/bash\necho compiling as $(id -u); echo 'export FROM_FIRST=yes' >\"$(dirname \"$0\")/../export\"; echo made >\"$1/made\"";
    let first = [("bin/detect", "#!/bin/bash\necho First"), ("bin/compile", compile)];
    let commit = host.commit("first.git", "release/v1", &first);
    let second = [
        ("bin/detect", "#!/bin/bash\ntest -f \"$1/made\" && echo Second"),
        ("bin/compile", "#!/bin/bash\necho \"first says $FROM_FIRST\"; cp \"$1/made\" \"$2/\""),
        ("bin/release", "#!/bin/bash\necho \"default_process_types: {web: 'echo ${FROM_FIRST:-unset}'}\""),
    ];
    host.tarball("second.tgz", "", &second);
    let list = format!("# ours\n{0}/first.git#release/v1\n{0}/second.tgz?x=1\n", host.url);
    let built = build(bench, &[(".buildpacks", &list)], &[]).await;
    built.says(&format!(
        "       The app's file .buildpacks names its buildpacks\n-----> Using buildpacks:\n       1. {0}/first.git#release/v1\n       2. {0}/second.tgz?x=1\n       {0}/first.git#release/v1: commit {1}, fetched\n",
        host.url,
        &commit[..7]
    ));
    built.says("-----> First app detected\ncompiling as 1000\n-----> Second app detected\nfirst says yes\n");
    let built = built.built();
    assert!(built.detected.is_empty(), "the list may change with the app");
    assert_eq!(built.description, "First,Second");
    assert_eq!(built.process_types[&domain::ProcessType::web()], "echo unset");

    host.asked();
    build(bench, &[(".buildpacks", &list)], &[]).await.says(&format!(": commit {}, fetched before\n", &commit[..7]));
    assert_eq!(host.asked().len(), 3, "two questions for the ref, one for the archive, and no pack");

    host.stop();
    let again = build(bench, &[(".buildpacks", &list)], &[]).await;
    again.says(" !     Warning: 127.0.0.1 can't be reached: it refuses the connection.\n !     The copy fetched before is used: ");
    again.says("first says yes\n");
    again.built();
}

async fn by_config_var(bench: &Bench) {
    let host = Host::start();
    let pack = [("bin/detect", "#!/bin/bash\necho Packed"), ("bin/compile", "#!/bin/bash\necho packed")];
    host.tarball("pack.tar.gz", "pack-main", &pack);
    let url = format!("{}/pack.tar.gz", host.url);
    let built = build(bench, &[("x", "")], &[("BUILDPACK_URL", &url)]).await;
    built.says("       The config var BUILDPACK_URL names the buildpack\n");
    built.says("-----> Packed app detected\npacked\n");
    let wrong = build(bench, &[("x", "")], &[("BUILDPACK_URL", "no such thing")]).await;
    wrong.says(" !     Mend it, or remove it: heroku config:unset BUILDPACK_URL\n\n !     Push failed\n");
    assert_rejected(&wrong.result, &Rejection::NoSuchBuildpack("no such thing".to_owned()));
}

async fn private(bench: &Bench) {
    let host = Host::start();
    let pack = [("bin/detect", "#!/bin/bash\necho Secret"), ("bin/compile", "#!/bin/bash\ntrue")];
    host.commit("pack.git", "main", &pack);
    host.tag("pack.git", "v1");
    host.make_private();
    let url = format!("{}/pack.git#v1", host.url);
    let refused = build(bench, &[("x", "")], &[("BUILDPACK_URL", &url)]).await;
    refused.says("its host asks for a name and password");
    let known = url.replace("http://", "http://me:hush@");
    let built = build(bench, &[("x", "")], &[("BUILDPACK_URL", &known)]).await;
    built.says("-----> Using buildpack: http://me:*****@127.0.0.1:");
    assert!(!built.text.contains("hush"), "{}", built.text);
    built.built();
}

async fn absent(bench: &Bench) {
    let url = "https://no-such-host.invalid/pack.git";
    let outcome = build(bench, &[(".buildpacks", url)], &[]).await;
    outcome.says(&format!("-----> Using buildpack: {url}\n !     The buildpack {url} can't be had:\n"));
    outcome.says(" !     no-such-host.invalid can't be reached: its name has no address");
    outcome.says("buildpacks.toml");
    assert_rejected(&outcome.result, &Rejection::NoSuchBuildpack(url.to_owned()));

    let outcome = build(bench, &[(".buildpacks", "heroku/nodej")], &[]).await;
    outcome.says("Did you mean heroku/nodejs?");
    assert_rejected(&outcome.result, &Rejection::NoSuchBuildpack("heroku/nodej".to_owned()));
}

/// Paths that lead out, and a bomb: what unpacks them has nothing to lose.
async fn hostile(bench: &Bench) {
    let host = Host::start();
    let python = "import io, sys, tarfile\nt = tarfile.open(fileobj=sys.stdout.buffer, mode='w|gz')\n\
        def add(name, data=b'', **k):\n    i = tarfile.TarInfo(name)\n    i.size = len(data)\n    i.mode = 0o4755\n\
        \n    for key, value in k.items(): setattr(i, key, value)\n    t.addfile(i, io.BytesIO(data))\n\
        add('bin/detect', b'#!/bin/bash\\necho Evil')\nadd('bin/compile', b'#!/bin/bash\\nls -l /opt/renga-build | wc -l; touch /opt/renga-build/x')\n\
        add('../../../../../opt/renga-build/evil', b'x')\nadd('link', type=tarfile.SYMTYPE, linkname='/opt')\nadd('link/evil', b'x')\n";
    let tar = std::process::Command::new("python3").args(["-c", python]).output();
    let Ok(tar) = tar else { return eprintln!("skipped: python3 is not installed") };
    host.file("evil.tgz", &tar.stdout);
    let url = format!("{}/evil.tgz", host.url);
    let outcome = build(bench, &[("x", "")], &[("BUILDPACK_URL", &url)]).await;
    outcome.says("was fetched, but can't be unpacked:\n");
    assert_rejected(&outcome.result, &Rejection::NoSuchBuildpack(url.clone()));

    let limits = BuildLimits { disk_bytes: 64 * 1024 * 1024, ..BuildLimits::default() };
    let folder = tempfile::tempdir().unwrap();
    let bomb = std::process::Command::new("bash")
        .args(["-c", "mkdir bin; head -c 200M /dev/zero >bin/detect; tar -c bin | gzip -1"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    host.file("bomb.tgz", &bomb.stdout);
    let builder = bench.builder(limits);
    let url = format!("{}/bomb.tgz", host.url);
    let config = [("BUILDPACK_URL", url.as_str())];
    let outcome = bench.build_tar(&builder, new_app(), tar_of(&[("x", "")]), &config, &CancellationToken::new()).await;
    outcome.says(" !     The build filled its disk (64.0M).\n");
    assert_rejected(&outcome.result, &Rejection::DiskFull);
}
