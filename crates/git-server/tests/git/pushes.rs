//! What pushes do.

use std::path::Path;
use std::process::Stdio;

use git_server::{Limits, Push, Verdict};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

use crate::client::{Client, Said, noise};
use crate::server::Server;

/// Unpacks what a push brings, by the system's tar.
pub(crate) async fn unpack(push: &Push, into: &Path) {
    let mut tar = Command::new("tar").arg("-xf").arg("-").current_dir(into).stdin(Stdio::piped()).spawn().unwrap();
    let mut bytes = Vec::new();
    push.source.tar().unwrap().read_to_end(&mut bytes).await.unwrap();
    tar.stdin.take().unwrap().write_all(&bytes).await.unwrap();
    assert!(tar.wait().await.unwrap().success());
}

#[tokio::test]
async fn a_push_deploys_its_commit_and_then_moves_the_branch() {
    let mut server = Server::start().await;
    let client = Client::with_app(&server.url("my-app", "secret")).await;
    let commit = client.commit(&[("bin/run", "#!/bin/sh\n")], "Add a script\n\nWith more text.").await;
    let pushing = client.start(&["push", "renga", "main"]);
    let deploy = server.deploy().await;
    let push = &deploy.push;
    assert_eq!((push.commit.as_str(), push.branch.as_str(), push.summary.as_str()), (&*commit, "main", "Add a script"));
    let files = tempfile::tempdir().unwrap();
    unpack(push, files.path()).await;
    assert_eq!(std::fs::read_to_string(files.path().join("index.html")).unwrap(), "hello");
    assert_eq!(std::fs::read_to_string(files.path().join("bin/run")).unwrap(), "#!/bin/sh\n");
    push.output.write("-----> Building\n").await;
    push.output.write("       Done\n").await;
    let other = Client::new(&server.url("my-app", "secret")).await;
    assert_eq!(other.run(&["ls-remote", "renga"]).await, "", "the branch has not moved yet");
    deploy.end(Verdict::Accepted);
    let said = Said::of(pushing.wait_with_output().await.unwrap());
    said.expect(true, &["remote: -----> Building\n", "remote:        Done\n", "* [new branch]      main -> main"]);
    let refs = other.run(&["ls-remote", "renga"]).await;
    assert_eq!(refs, format!("{commit}\tHEAD\n{commit}\trefs/heads/main"));
    client.git(&["push", "renga", "main"]).await.expect(true, &["Everything up-to-date"]);
    assert!(server.deploys.try_recv().is_err());
    let sizes = std::sync::Arc::clone(&server.sizes);
    server.end().await;
    assert!(sizes.lock().unwrap()[0] > 0);
}

#[tokio::test]
async fn a_failed_deploy_leaves_the_branch_and_nothing_else() {
    let mut server = Server::start().await;
    let client = Client::with_app(&server.url("my-app", "secret")).await;
    let pushing = client.start(&["push", "renga", "main"]);
    let deploy = server.deploy().await;
    deploy.push.output.write(" !     Push rejected, failed to compile app.\n").await;
    deploy.end(Verdict::Rejected);
    Said::of(pushing.wait_with_output().await.unwrap()).expect(
        false,
        &[
            "remote:  !     Push rejected, failed to compile app.\n",
            "remote: !\tPush rejected to my-app.\n",
            "! [remote rejected] main -> main (pre-receive hook declined)",
        ],
    );
    assert_eq!(client.run(&["ls-remote", "renga"]).await, "");
    assert_eq!(server.leftovers("my-app"), [""; 0]);
    let pushing = client.start(&["push", "renga", "main"]);
    server.deploy().await.end(Verdict::Accepted);
    Said::of(pushing.wait_with_output().await.unwrap()).expect(true, &["main -> main"]);
    server.end().await;
}

#[tokio::test]
async fn a_forced_push_and_many_objects_are_fine() {
    let mut server = Server::start().await;
    let client = Client::with_app(&server.url("my-app", "secret")).await;
    let files: Vec<(String, String)> = (0..300).map(|n| (format!("d{}/f{n}", n % 7), format!("text {n}"))).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    client.commit(&files, "Many").await;
    let pushing = client.start(&["push", "renga", "main"]);
    server.deploy().await.end(Verdict::Accepted);
    Said::of(pushing.wait_with_output().await.unwrap()).expect(true, &[]);
    client.run(&["reset", "--quiet", "--hard", "HEAD~1"]).await;
    let commit = client.commit(&[("other", "way")], "Another way").await;
    let pushing = client.start(&["push", "--force", "renga", "main"]);
    server.deploy().await.end(Verdict::Accepted);
    Said::of(pushing.wait_with_output().await.unwrap()).expect(true, &["(forced update)"]);
    assert!(client.run(&["ls-remote", "renga", "refs/heads/main"]).await.starts_with(&commit));
    server.end().await;
}

#[tokio::test]
async fn master_deploys_and_head_follows_it() {
    let mut server = Server::start().await;
    let client = Client::with_app(&server.url("my-app", "secret")).await;
    let pushing = client.start(&["push", "renga", "main:master"]);
    server.deploy().await.end(Verdict::Accepted);
    Said::of(pushing.wait_with_output().await.unwrap()).expect(true, &["main -> master"]);
    let refs = client.run(&["ls-remote", "--symref", "renga", "HEAD"]).await;
    assert!(refs.starts_with("ref: refs/heads/master\tHEAD"), "{refs}");
    server.end().await;
}

#[tokio::test]
async fn other_branches_and_tags_are_kept_without_a_build() {
    let mut server = Server::start().await;
    let client = Client::with_app(&server.url("my-app", "secret")).await;
    let said = client.git(&["push", "renga", "main:topic"]).await;
    said.expect(true, &["remote: Pushed to branch other than [main, master], skipping build.\n", "main -> topic"]);
    client.run(&["tag", "-a", "-m", "One", "v1"]).await;
    let said = client.git(&["push", "renga", "v1"]).await.expect(true, &["v1 -> v1"]);
    assert!(!said.stderr.contains("skipping"), "{}", said.stderr);
    client.git(&["push", "renga", "--delete", "topic"]).await.expect(true, &["[deleted]"]);
    assert!(server.deploys.try_recv().is_err());
    server.end().await;
}

#[tokio::test]
async fn main_cannot_be_deleted() {
    let mut server = Server::start().await;
    let client = Client::with_app(&server.url("my-app", "secret")).await;
    let pushing = client.start(&["push", "renga", "main:master"]);
    server.deploy().await.end(Verdict::Accepted);
    Said::of(pushing.wait_with_output().await.unwrap()).expect(true, &[]);
    let said = client.git(&["push", "renga", "--delete", "master"]).await;
    said.expect(false, &["remote: !\tPush rejected, cannot delete master branch\n", "(pre-receive hook declined)"]);
    assert!(client.run(&["ls-remote", "renga"]).await.contains("refs/heads/master"));
    server.end().await;
}

#[tokio::test]
async fn several_refs_at_once_deploy_at_most_once() {
    let mut server = Server::start().await;
    let client = Client::with_app(&server.url("my-app", "secret")).await;
    let pushing = client.start(&["push", "renga", "main", "main:master", "main:topic"]);
    server.deploy().await.end(Verdict::Accepted);
    Said::of(pushing.wait_with_output().await.unwrap()).expect(true, &["main -> master", "main -> topic"]);
    client.commit(&[], "Second").await;
    let said = client.git(&["push", "--force", "renga", "main", "main~1:topic", "main:refs/notes/x"]).await;
    said.expect(false, &[]);
    client.run(&["branch", "other"]).await;
    client.commit(&[], "Third").await;
    let said = client.git(&["push", "renga", "main", "other:master"]).await;
    said.expect(false, &["Push rejected, main and master differ"]);
    assert!(server.deploys.try_recv().is_err());
    server.end().await;
}

#[tokio::test]
async fn what_is_no_commit_is_not_deployed() {
    let mut server = Server::start().await;
    let client = Client::with_app(&server.url("my-app", "secret")).await;
    client.run(&["tag", "-a", "-m", "One", "v1"]).await;
    let tag = client.run(&["rev-parse", "v1"]).await;
    let said = client.git(&["push", "renga", &format!("{tag}:refs/heads/main")]).await;
    said.expect(false, &[]);
    assert!(server.deploys.try_recv().is_err());
    server.end().await;
}

#[tokio::test]
async fn the_second_push_waits_and_is_refused_if_the_branch_has_moved() {
    let mut server = Server::start().await;
    let url = server.url("my-app", "secret");
    let (one, two) = (Client::with_app(&url).await, Client::with_app(&url).await);
    two.commit(&[("two", "2")], "Two").await;
    let first = one.start(&["push", "renga", "main"]);
    let first_deploy = server.deploy().await;
    let mut second = two.start(&["push", "--progress", "renga", "main"]);
    let mut heard = String::new();
    let mut stderr = second.stderr.take().unwrap();
    while !heard.contains("this one waits for its end") {
        let mut buffer = [0; 1024];
        let read = stderr.read(&mut buffer).await.unwrap();
        assert!(read > 0, "the second push ended: {heard}");
        heard.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
    }
    first_deploy.end(Verdict::Accepted);
    Said::of(first.wait_with_output().await.unwrap()).expect(true, &[]);
    stderr.read_to_string(&mut heard).await.unwrap();
    assert!(!second.wait().await.unwrap().success());
    assert!(heard.contains("Push rejected, another push came first"), "{heard}");
    assert!(server.deploys.try_recv().is_err());
    server.end().await;
}

#[tokio::test]
async fn the_second_push_goes_on_if_the_first_failed() {
    let mut server = Server::start().await;
    let url = server.url("my-app", "secret");
    let (one, two) = (Client::with_app(&url).await, Client::with_app(&url).await);
    let commit = two.commit(&[("two", "2")], "Two").await;
    let first = one.start(&["push", "renga", "main"]);
    let first_deploy = server.deploy().await;
    let second = two.start(&["push", "renga", "main"]);
    first_deploy.end(Verdict::Rejected);
    Said::of(first.wait_with_output().await.unwrap()).expect(false, &[]);
    let deploy = server.deploy().await;
    assert_eq!(deploy.push.commit.as_str(), commit);
    deploy.end(Verdict::Accepted);
    Said::of(second.wait_with_output().await.unwrap()).expect(true, &["main -> main"]);
    server.end().await;
}

#[tokio::test]
async fn pushes_to_different_apps_do_not_wait_for_each_other() {
    let mut server = Server::start().await;
    let one = Client::with_app(&server.url("app-one", "secret")).await;
    let two = Client::with_app(&server.url("app-two", "secret")).await;
    let first = one.start(&["push", "renga", "main"]);
    let first_deploy = server.deploy().await;
    let second = two.start(&["push", "renga", "main"]);
    server.deploy().await.end(Verdict::Accepted);
    Said::of(second.wait_with_output().await.unwrap()).expect(true, &[]);
    first_deploy.end(Verdict::Accepted);
    Said::of(first.wait_with_output().await.unwrap()).expect(true, &[]);
    server.end().await;
}

#[tokio::test]
async fn a_panic_of_the_platform_rejects_the_push() {
    let mut server = Server::start().await;
    let client = Client::with_app(&server.url("my-app", "secret")).await;
    let pushing = client.start(&["push", "renga", "main"]);
    drop(server.deploy().await);
    let said = Said::of(pushing.wait_with_output().await.unwrap());
    said.expect(false, &["the deploy broke off", "(pre-receive hook declined)"]);
    server.end().await;
}

#[tokio::test]
async fn a_lot_of_output_arrives_whole() {
    let mut server = Server::start().await;
    let client = Client::with_app(&server.url("my-app", "secret")).await;
    let pushing = client.start(&["push", "renga", "main"]);
    let pushing = tokio::spawn(pushing.wait_with_output());
    let deploy = server.deploy().await;
    for number in 0..5_000 {
        deploy.push.output.write(format!("line {number}\n")).await;
    }
    deploy.push.output.write("x".repeat(200_000) + "\n").await;
    deploy.end(Verdict::Accepted);
    let said = Said::of(pushing.await.unwrap().unwrap()).expect(true, &[]);
    let lines = said.stderr.lines().filter(|line| line.starts_with("remote: line ")).count();
    assert_eq!(lines, 5_000);
    assert_eq!(said.stderr.matches('x').count(), 200_000);
    server.end().await;
}

#[tokio::test]
async fn a_big_push_comes_in_chunks() {
    let mut server = Server::start().await;
    let client = Client::with_app(&server.url("my-app", "secret")).await;
    let big = noise(5_000_000);
    client.commit(&[("big", &big)], "Big").await;
    let mut command = client.command(&["push", "renga", "main"]);
    let pushing = command.env("GIT_CURL_VERBOSE", "1").spawn().unwrap();
    let pushing = tokio::spawn(pushing.wait_with_output());
    let deploy = server.deploy().await;
    let files = tempfile::tempdir().unwrap();
    unpack(&deploy.push, files.path()).await;
    assert!(std::fs::read_to_string(files.path().join("big")).unwrap() == big);
    deploy.end(Verdict::Accepted);
    Said::of(pushing.await.unwrap().unwrap()).expect(true, &["Transfer-Encoding: chunked", "main -> main"]);
    server.end().await;
}

#[tokio::test]
async fn a_repository_with_many_packs_is_packed_after_a_push() {
    let mut server = Server::start().await;
    let client = Client::with_app(&server.url("my-app", "secret")).await;
    client.run(&["ls-remote", "renga"]).await;
    let packs = server.repository("my-app").join("objects/pack");
    for number in 0..41 {
        std::fs::write(packs.join(format!("pack-{number:040x}.pack")), "").unwrap();
    }
    let pushing = client.start(&["push", "renga", "main"]);
    server.deploy().await.end(Verdict::Accepted);
    Said::of(pushing.wait_with_output().await.unwrap()).expect(true, &[]);
    let sizes = std::sync::Arc::clone(&server.sizes);
    while sizes.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    let indexes = std::fs::read_dir(&packs).unwrap().filter(|entry| {
        let name = entry.as_ref().unwrap().file_name();
        name.to_str().unwrap().ends_with(".idx")
    });
    assert_eq!(indexes.count(), 1);
    client.run(&["fetch", "--quiet", "renga", "main"]).await;
    server.end().await;
}

#[tokio::test]
async fn more_requests_than_allowed_are_refused_clearly() {
    let hook = vec![env!("CARGO_BIN_EXE_git-hook-for-tests").into()];
    let mut server = Server::start_with(hook, Limits { sessions: 1, ..Limits::default() }).await;
    let client = Client::with_app(&server.url("my-app", "secret")).await;
    let pushing = client.start(&["push", "renga", "main"]);
    let deploy = server.deploy().await;
    let said = client.git(&["ls-remote", "renga"]).await;
    said.expect(false, &["remote: The git server is busy; try again in a moment", "503"]);
    deploy.end(Verdict::Accepted);
    Said::of(pushing.wait_with_output().await.unwrap()).expect(true, &[]);
    server.end().await;
}
