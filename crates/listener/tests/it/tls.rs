//! TLS: who gets which certificate, and what is spoken inside.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use listener::{Certificates, Names};
use router::RouteTable;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::site::{Site, certificates};
use crate::wire::{Peer, field, in_time};

/// A client that trusts the site's authority alone, and checks for `name`.
async fn connect(site: &Site, name: &str, sni: bool) -> std::io::Result<Peer<TlsStream<TcpStream>>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(site.tls_dir.path().join("ca.pem")).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.enable_sni = sni;
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let stream = TcpStream::connect(site.address).await.unwrap();
    in_time("a handshake", TlsConnector::from(Arc::new(config)).connect(name, stream)).await.map(Peer::new)
}

#[tokio::test]
async fn a_client_that_names_no_host_gets_the_platform_s_certificate() {
    let site = Site::start().await;
    for name in ["127.0.0.1", "localhost"] {
        let mut client = connect(&site, name, false).await.unwrap();
        client.send("GET /healthz HTTP/1.1\r\nHost: localhost:5000\r\n\r\n").await;
        assert_eq!(client.message().await.1, "platform /healthz https 127.0.0.1");
    }
}

#[tokio::test]
async fn apps_and_their_domains_have_certificates_of_their_own() {
    let site = Site::start().await;
    let dyno = site.dyno().await;
    for host in ["shop.localhost", "shop.example.com"] {
        let mut client = connect(&site, host, true).await.unwrap();
        client.send(format!("GET / HTTP/1.1\r\nHost: {host}\r\nX-Forwarded-Proto: http\r\n\r\n")).await;
        let mut connection = dyno.accept().await;
        let head = connection.head().await;
        assert_eq!(field(&head, "x-forwarded-proto"), Some("https"));
        connection.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi").await;
        assert_eq!(client.message().await.1, "hi");
        assert!(site.line().await.ends_with(" protocol=https"));
    }
    connect(&site, "localhost", true).await.unwrap();
    let error = connect(&site, "other.example.com", true).await.err().unwrap();
    assert!(error.to_string().contains("not valid for name"), "{error}");
}

/// What rustls takes is not what OpenSSL takes: it refuses `*.localhost`.
#[tokio::test]
async fn curl_trusts_every_certificate_by_the_authority_s_file() {
    let site = Site::start().await;
    let dyno = site.dyno().await.answering("hi");
    site.served_by(&[dyno.address()]);
    let port = site.address.port();
    for (host, answer) in [
        ("shop.localhost", "hi"),
        ("localhost", "platform / https 127.0.0.1"),
        ("127.0.0.1", "platform / https 127.0.0.1"),
    ] {
        let curl = tokio::process::Command::new("curl")
            .args(["--silent", "--show-error", "--noproxy", "*", "--max-time", "20", "--cacert"])
            .arg(site.tls_dir.path().join("ca.pem"))
            .args(["--resolve", &format!("{host}:{port}:127.0.0.1"), &format!("https://{host}:{port}/")])
            .output()
            .await;
        match curl {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => eprintln!("skipped: there is no curl"),
            curl => {
                let curl = curl.unwrap();
                let stderr = String::from_utf8_lossy(&curl.stderr);
                assert_eq!(String::from_utf8(curl.stdout).unwrap(), answer, "{host}: {stderr}");
            }
        }
    }
}

#[tokio::test]
async fn what_is_no_http_is_a_rendezvous() {
    let site = Site::start().await;
    let mut client = connect(&site, "localhost", false).await.unwrap();
    client.send("s3cr3t/path?x=y\r\nls").await;
    assert_eq!(client.until("\r\n").await, "rendezvous s3cr3t/path?x=y\r\n");
    assert_eq!(client.exactly(2).await, "LS");
    client.send("exit").await;
    assert_eq!(client.exactly(4).await, "EXIT");
    // Without TLS it is bad HTTP.
    let answer = site.sends("s3cr3t\r\n\r\n").await.rest().await;
    assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
}

#[tokio::test]
async fn the_authority_stays_and_its_key_is_private() {
    let dir = tempfile::tempdir().unwrap();
    let names = || {
        let listening: [SocketAddr; 1] = ["192.0.2.1:5000".parse().unwrap()];
        Arc::new(Names::new([], ["localhost".to_owned()], listening))
    };
    let open = || {
        let (_, routes) = tokio::sync::watch::channel(Arc::new(RouteTable::default()));
        certificates(dir.path(), names(), routes)
    };
    let path = open().authority_path().to_owned();
    let first = std::fs::read(&path).unwrap();
    open();
    assert_eq!(std::fs::read(&path).unwrap(), first);
    let key = dir.path().join("ca.key");
    assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::remove_file(key).unwrap();
    let error = Certificates::open_or_create(dir.path(), names(), |_| false).unwrap_err();
    assert!(error.to_string().contains("put the key back"), "{error}");
}
