//! Cloning and fetching, and who may.

use git_server::Verdict;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::{Client, Said};
use crate::server::Server;

async fn deployed(server: &mut Server) -> Client {
    let client = Client::with_app(&server.url("my-app", "secret")).await;
    let pushing = client.start(&["push", "renga", "main"]);
    server.deploy().await.end(Verdict::Accepted);
    Said::of(pushing.wait_with_output().await.unwrap()).expect(true, &[]);
    client
}

#[tokio::test]
async fn an_app_can_be_cloned_with_every_protocol_version() {
    let mut server = Server::start().await;
    deployed(&mut server).await;
    let home = Client::new("unused").await;
    for version in ["0", "1", "2"] {
        let url = server.url("my-app", "reader");
        let config = format!("protocol.version={version}");
        home.run(&["-c", &config, "clone", "--quiet", &url, version]).await;
        let file = home.path().join(version).join("index.html");
        assert_eq!(std::fs::read_to_string(file).unwrap(), "hello", "version {version}");
    }
    let url = server.url("my-app", "reader");
    home.run(&["clone", "--quiet", "--depth", "1", &url, "shallow"]).await;
    server.end().await;
}

#[tokio::test]
async fn a_long_negotiation_comes_compressed() {
    let mut server = Server::start().await;
    let client = deployed(&mut server).await;
    let other = Client::new(&server.url("my-app", "secret")).await;
    other.run(&["pull", "--quiet", "renga", "main"]).await;
    for _ in 0..60 {
        // Younger than what both have: git names commits by their dates, and
        // ends when the other side knows one.
        let mut commit = other.command(&["commit", "--quiet", "--allow-empty", "-m", "Mine"]);
        let said = Said::of(commit.env("GIT_COMMITTER_DATE", "@4000000000 +0000").output().await.unwrap());
        said.expect(true, &[]);
    }
    client.commit(&[("new", "file")], "New").await;
    let pushing = client.start(&["push", "renga", "main"]);
    server.deploy().await.end(Verdict::Accepted);
    Said::of(pushing.wait_with_output().await.unwrap()).expect(true, &[]);
    // The second version of the protocol never compresses.
    let mut command = other.command(&["-c", "protocol.version=0", "fetch", "renga", "main"]);
    let said = Said::of(command.env("GIT_CURL_VERBOSE", "1").output().await.unwrap());
    said.expect(true, &["Content-Encoding: gzip", "FETCH_HEAD"]);
    other.run(&["-c", "protocol.version=2", "fetch", "renga", "main"]).await;
    server.end().await;
}

#[tokio::test]
async fn git_is_asked_for_credentials_and_those_are_checked() {
    let server = Server::start().await;
    let client = Client::with_app(&server.url("my-app", "wrong")).await;
    client.git(&["push", "renga", "main"]).await.expect(false, &["Authentication failed"]);
    let reader = Client::with_app(&server.url("my-app", "reader")).await;
    let said = reader.git(&["push", "renga", "main"]).await;
    said.expect(false, &["remote: You may only read this app", "error: 403"]);
    let lost = Client::with_app(&server.url("no-such-app", "secret")).await;
    lost.git(&["push", "renga", "main"]).await.expect(false, &["Couldn't find that app", "not found"]);
    server.end().await;
}

/// The answer to a request as it comes over the wire.
pub(crate) async fn answer(port: u16, head: &str, body: &[u8]) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let length = body.len();
    let head = format!("{head}\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all(&[head.as_bytes(), body].concat()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// `any:secret`.
pub(crate) const AUTHORIZATION: &str = "Authorization: Basic YW55OnNlY3JldA==";

#[tokio::test]
async fn requests_that_are_not_gits_are_answered_clearly() {
    let server = Server::start().await;
    let refs = "GET /my-app.git/info/refs?service=git-upload-pack HTTP/1.1";
    let unknown = answer(server.port, refs, b"").await;
    assert!(unknown.starts_with("HTTP/1.1 401"), "{unknown}");
    assert!(unknown.contains("www-authenticate: Basic realm=\"Renga\""), "{unknown}");
    let status = async |head: String, body: &'static [u8]| {
        let answer = answer(server.port, &head, body).await;
        answer.split(' ').nth(1).unwrap().to_owned()
    };
    let bearer = format!("{refs}\r\nAuthorization: Bearer secret");
    assert_eq!(status(bearer, b"").await, "401");
    assert_eq!(status(format!("{refs}\r\n{AUTHORIZATION}"), b"").await, "200");
    let dumb = format!("GET /my-app.git/info/refs HTTP/1.1\r\n{AUTHORIZATION}");
    assert_eq!(status(dumb, b"").await, "403");
    let file = format!("POST /my-app.git/config HTTP/1.1\r\n{AUTHORIZATION}");
    assert_eq!(status(file, b"").await, "404");
    let post = format!("POST /my-app.git/git-receive-pack HTTP/1.1\r\n{AUTHORIZATION}");
    assert_eq!(status(post.clone(), b"0000").await, "415");
    let post = format!("{post}\r\nContent-Type: application/x-git-receive-pack-request");
    assert_eq!(status(post.clone(), b"zzzz").await, "400");
    assert_eq!(status(post, b"0000").await, "200");
    server.end().await;
}
