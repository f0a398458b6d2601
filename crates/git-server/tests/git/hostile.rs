//! Pushes that mean harm.

use std::process::Stdio;

use git_server::{Limits, Verdict};
use tokio::io::AsyncWriteExt;

use crate::client::{Client, Said, noise};
use crate::fetches::{AUTHORIZATION, answer};
use crate::pushes::unpack;
use crate::server::Server;

#[tokio::test]
async fn nothing_that_is_pushed_is_run_or_obeyed() {
    let mut server = Server::start().await;
    let client = Client::new(&server.url("my-app", "secret")).await;
    let trap = client.path().join("trapped");
    let run = format!("touch {}", trap.display());
    let files = [
        ("hooks/pre-receive", format!("#!/bin/sh\n{run}\n")),
        ("config", format!("[filter \"x\"]\n\tsmudge = {run}\n[core]\n\tfsmonitor = {run}\n")),
        (".gitattributes", "* filter=x\nsecret export-ignore\nid export-subst\n".to_owned()),
        (".gitconfig", format!("[filter \"x\"]\n\tsmudge = {run}\n")),
        (
            ".gitmodules",
            format!("[submodule \"s\"]\n\tpath = s\n\turl = https://localhost/\n\tupdate = checkout\n# {run}\n"),
        ),
        ("secret", "kept".to_owned()),
        ("id", "$Format:%H$".to_owned()),
    ];
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    client.commit(&files, "--upload-pack=touch").await;
    let pushing = client.start(&["push", "renga", "main"]);
    let deploy = server.deploy().await;
    assert_eq!(deploy.push.summary, "--upload-pack=touch");
    let unpacked = tempfile::tempdir().unwrap();
    unpack(&deploy.push, unpacked.path()).await;
    for (name, text) in files {
        assert_eq!(std::fs::read_to_string(unpacked.path().join(name)).unwrap(), text, "{name}");
    }
    deploy.end(Verdict::Accepted);
    let said = Said::of(pushing.wait_with_output().await.unwrap());
    said.expect(true, &["remote:  !     This app has git submodules. They are not fetched"]);
    assert!(!trap.exists());
    server.end().await;
}

/// Commits a tree whose only entry has this name and mode.
async fn commit_entry(client: &Client, entry: &str) -> String {
    let mut mktree = client.command(&["mktree", "--missing"]).stdin(Stdio::piped()).spawn().unwrap();
    mktree.stdin.take().unwrap().write_all(format!("{entry}\n").as_bytes()).await.unwrap();
    let tree = String::from_utf8(mktree.wait_with_output().await.unwrap().stdout).unwrap();
    client.run(&["commit-tree", "-m", "Evil", tree.trim()]).await
}

#[tokio::test]
async fn trees_that_lead_out_of_their_place_are_refused() {
    let mut server = Server::start().await;
    let client = Client::with_app(&server.url("my-app", "secret")).await;
    let blob = client.run(&["rev-parse", "HEAD:index.html"]).await;
    let tree = client.run(&["rev-parse", "HEAD^{tree}"]).await;
    let entries = [
        format!("040000 tree {tree}\t.."),
        format!("100644 blob {blob}\t.git"),
        format!("040000 tree {tree}\t.GIT"),
        format!("040000 tree {tree}\t.g\u{200c}it"),
        format!("040000 tree {tree}\tgit~1"),
        format!("120000 blob {blob}\t.gitmodules"),
    ];
    for entry in entries {
        let commit = commit_entry(&client, &entry).await;
        let said = client.git(&["push", "renga", &format!("{commit}:refs/heads/main")]).await;
        assert!(!said.ok && said.stderr.contains("fsck"), "{entry}: {}", said.stderr);
    }
    let modules =
        client.commit(&[(".gitmodules", "[submodule \"a\"]\n\tpath = a\n\turl = --upload-pack=x\n")], "x").await;
    client.git(&["push", "renga", &format!("{modules}:refs/heads/main")]).await.expect(false, &["fsck"]);
    assert!(server.deploys.try_recv().is_err());
    assert_eq!(server.leftovers("my-app"), [""; 0]);
    server.end().await;
}

#[tokio::test]
async fn bad_ref_names_are_refused() {
    let server = Server::start().await;
    let zero = "0".repeat(40);
    for name in ["refs/heads/--upload-pack=x", "refs/heads/a..lock", "refs/heads/a.lock", "refs/config", "HEAD", "../x"]
    {
        let line = format!("{zero} {} {name}\0 report-status", "1".repeat(40));
        let body = format!("{:04x}{line}0000", line.len() + 4);
        let head = format!(
            "POST /my-app.git/git-receive-pack HTTP/1.1\r\n{AUTHORIZATION}\r\nContent-Type: application/x-git-receive-pack-request"
        );
        let answer = answer(server.port, &head, body.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{name}: {answer}");
    }
    server.end().await;
}

#[tokio::test]
async fn a_corrupt_pack_is_refused() {
    let mut server = Server::start().await;
    let line = format!("{} {} refs/heads/main\0 report-status side-band-64k", "0".repeat(40), "1".repeat(40));
    let head = format!(
        "POST /my-app.git/git-receive-pack HTTP/1.1\r\n{AUTHORIZATION}\r\nContent-Type: application/x-git-receive-pack-request"
    );
    for pack in [
        &b"PACK\0\0\0\x02\0\0\0\x01garbage that is no object"[..],
        b"PACK\0\0\0\x02\xff\xff\xff\xff",
        b"",
        b"no pack at all",
    ] {
        let body = [format!("{:04x}{line}0000", line.len() + 4).as_bytes(), pack].concat();
        let answer = answer(server.port, &head, &body).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(!answer.contains("unpack ok") && !answer.contains("ok refs/heads/main"), "{answer}");
    }
    assert!(server.deploys.try_recv().is_err());
    assert_eq!(server.leftovers("my-app"), [""; 0]);
    let client = Client::with_app(&server.url("my-app", "secret")).await;
    let pushing = client.start(&["push", "renga", "main"]);
    server.deploy().await.end(Verdict::Accepted);
    Said::of(pushing.wait_with_output().await.unwrap()).expect(true, &[]);
    server.end().await;
}

#[tokio::test]
async fn a_push_over_the_limit_is_refused_and_takes_no_room() {
    let hook = vec![env!("CARGO_BIN_EXE_git-hook-for-tests").into()];
    let mut server = Server::start_with(hook, Limits { push_bytes: 100_000, ..Limits::default() }).await;
    let client = Client::with_app(&server.url("my-app", "secret")).await;
    let noise = noise(400_000);
    client.commit(&[("big", &noise)], "Big").await;
    let said = client.git(&["push", "renga", "main"]).await;
    said.expect(false, &["exceeds maximum allowed size"]);
    assert!(server.deploys.try_recv().is_err());
    assert_eq!(server.leftovers("my-app"), [""; 0]);
    server.end().await;
}

/// The hook is a shell that shows where it runs.
#[tokio::test]
async fn git_runs_as_no_one_in_a_place_with_nothing() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: only root can isolate git");
        return;
    }
    let show = "echo root: $(ls /); echo user: $(id -u):$(id -g) $(id -G); ls /proc /work /root /home 2>&1 | grep -c such; \
                echo others: $(ls /git); echo etc: $(ls /etc); touch /x /repo/../y /usr/z && echo writable; \
                echo devices: $(ls /dev); cat /sys/class/net/* && echo network; cat /hook/server.sock; \
                bash -c 'exec 3<>/dev/tcp/127.0.0.1/1' 2>&1 | grep -o 'Network is unreachable'; exit 1";
    let hook = ["/bin/sh", "-c", show].map(Into::into).to_vec();
    let server = Server::start_with(hook, Limits::default()).await;
    let other = Client::with_app(&server.url("other-app", "secret")).await;
    other.git(&["ls-remote", "renga"]).await.expect(true, &[]);
    let client = Client::with_app(&server.url("my-app", "secret")).await;
    let said = client.git(&["push", "renga", "main"]).await.expect(
        false,
        &["remote: user: 60710:60710 60710", "remote: others:\n", "remote: devices: null urandom", "remote: 4\n"],
    );
    let root = said.stderr.lines().find_map(|line| line.strip_prefix("remote: root: ")).unwrap();
    for name in root.split(' ') {
        let known =
            ["bin", "dev", "etc", "git", "hook", "hook-program", "lib", "lib32", "lib64", "repo", "sbin", "usr"];
        assert!(known.contains(&name), "{root}");
    }
    assert!(!said.stderr.contains("writable") && !said.stderr.contains("network\n"), "{}", said.stderr);
    assert!(said.stderr.contains("Network is unreachable"), "{}", said.stderr);
    server.end().await;
}
