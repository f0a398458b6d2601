//! What happens when the client, or the server, leaves in the middle.

use std::path::Path;

use git_server::Verdict;
use tokio::process::Child;

use crate::client::{Client, Said};
use crate::server::Server;

/// Ctrl-C: git and its helpers get SIGINT.
async fn interrupt(mut git: Child) {
    let group = git.id().unwrap() as i32;
    nix::sys::signal::killpg(nix::unistd::Pid::from_raw(group), nix::sys::signal::Signal::SIGINT).unwrap();
    git.wait().await.unwrap();
}

async fn push_works(server: &mut Server, client: &Client) {
    let pushing = client.start(&["push", "renga", "main"]);
    server.deploy().await.end(Verdict::Accepted);
    Said::of(pushing.wait_with_output().await.unwrap()).expect(true, &["main -> main"]);
}

#[tokio::test]
async fn ctrl_c_cancels_the_deploy_and_leaves_nothing() {
    let mut server = Server::start().await;
    let client = Client::with_app(&server.url("my-app", "secret")).await;
    let pushing = client.start(&["push", "renga", "main"]);
    let deploy = server.deploy().await;
    deploy.push.output.write("-----> Building\n").await;
    interrupt(pushing).await;
    deploy.push.cancelled.cancelled().await;
    deploy.push.output.write("no one hears this\n").await;
    deploy.end(Verdict::Rejected);
    push_works(&mut server, &client).await;
    assert_eq!(server.leftovers("my-app"), [""; 0]);
    server.end().await;
}

#[tokio::test]
async fn a_deploy_past_its_point_of_no_return_moves_the_branch_though_the_client_left() {
    let mut server = Server::start().await;
    let client = Client::with_app(&server.url("my-app", "secret")).await;
    let pushing = client.start(&["push", "renga", "main"]);
    let deploy = server.deploy().await;
    interrupt(pushing).await;
    deploy.push.cancelled.cancelled().await;
    deploy.end(Verdict::Accepted);
    server.git.shutdown().await;
    let branch = server.repository("my-app").join("refs/heads/main");
    assert_eq!(std::fs::read_to_string(branch).unwrap().trim(), client.head().await);
    server.end().await;
}

#[tokio::test]
async fn a_waiting_push_gives_up_its_place_when_its_client_leaves() {
    let mut server = Server::start().await;
    let url = server.url("my-app", "secret");
    let (one, two) = (Client::with_app(&url).await, Client::with_app(&url).await);
    let first = one.start(&["push", "renga", "main"]);
    let deploy = server.deploy().await;
    two.commit(&[("two", "2")], "Two").await;
    let second = two.start(&["push", "renga", "main"]);
    wait_for_quarantines(&server.repository("my-app"), 2).await;
    interrupt(second).await;
    wait_for_quarantines(&server.repository("my-app"), 1).await;
    deploy.end(Verdict::Accepted);
    Said::of(first.wait_with_output().await.unwrap()).expect(true, &[]);
    assert!(server.deploys.try_recv().is_err());
    server.end().await;
}

/// Waits until this many pushes are in quarantine.
async fn wait_for_quarantines(repository: &Path, wanted: usize) {
    for _ in 0..2_000 {
        let entries = std::fs::read_dir(repository.join("objects")).unwrap();
        let found = entries.filter(|entry| entry.as_ref().unwrap().file_name().to_str().unwrap().contains("incoming"));
        if found.count() == wanted {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("there never were {wanted} pushes in quarantine");
}

#[tokio::test]
async fn the_end_of_the_server_cancels_deploys_and_waits_for_them() {
    let mut server = Server::start().await;
    let client = Client::with_app(&server.url("my-app", "secret")).await;
    let pushing = client.start(&["push", "renga", "main"]);
    let deploy = server.deploy().await;
    let git = server.git.clone();
    let ending = tokio::spawn(async move { git.shutdown().await });
    deploy.push.cancelled.cancelled().await;
    assert!(!ending.is_finished());
    deploy.push.output.write(" !     The server is stopping.\n").await;
    deploy.end(Verdict::Rejected);
    ending.await.unwrap();
    Said::of(pushing.wait_with_output().await.unwrap()).expect(false, &["(pre-receive hook declined)"]);
    assert_eq!(server.leftovers("my-app"), [""; 0]);
    server.end().await;
}
