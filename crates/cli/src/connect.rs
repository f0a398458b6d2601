//! `renga connect`: a port of this machine that leads to a far server.
//!
//! Bytes pass as they are: TLS goes from the client to the server itself, which
//! has a certificate for `localhost` from its own authority. So nothing on the
//! way, this program included, sees more than a network would; and what is not
//! TLS is turned away.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};

use crate::server::{Chosen, ServerArgs, ServerUrl};

/// The first byte of a TLS handshake.
const TLS_HANDSHAKE: u8 = 22;
/// How long a client may take to say its first word.
const PATIENCE: Duration = Duration::from_secs(30);
const PLAIN: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n\
    This port leads to a far server: use https://, so that nobody on the way can read along.\n";

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The port of this machine
    #[arg(long, short, default_value_t = 5000)]
    port: u16,
    #[command(flatten)]
    server: ServerArgs,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let server = args.server.find()?;
    let Chosen::Profile(profile) = &server.chosen else {
        bail!("{} is on this machine: there is nothing to connect", server.url);
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, args.port))
        .with_context(|| format!("could not listen on port {}: choose another with --port", args.port))?;
    let port = listener.local_addr()?.port();
    println!("https://localhost:{port} leads to {} until Ctrl-C. In another terminal:", server.url);
    println!("  eval \"$(renga env --profile {profile} --through {port})\"");
    std::io::stdout().flush()?;
    serve(&listener, &server.url)
}

/// Serves for as long as this process lives; the port.
pub(crate) fn in_background(url: &ServerUrl) -> anyhow::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no port of this machine is free")?;
    let port = listener.local_addr()?.port();
    let url = url.clone();
    std::thread::spawn(move || {
        if let Err(error) = serve(&listener, &url) {
            eprintln!("warning: the way to {url} is closed: {error:#}");
        }
    });
    Ok(port)
}

fn serve(listener: &TcpListener, url: &ServerUrl) -> anyhow::Result<ExitCode> {
    loop {
        let (client, _) = listener.accept().context("could not accept a connection")?;
        let url = url.clone();
        // Ends with its connection.
        std::thread::spawn(move || {
            if let Err(error) = pass(client, &url) {
                eprintln!("warning: {error:#}");
            }
        });
    }
}

fn pass(client: TcpStream, url: &ServerUrl) -> anyhow::Result<()> {
    client.set_read_timeout(Some(PATIENCE))?;
    let mut first = [0];
    if client.peek(&mut first)? == 0 {
        return Ok(());
    }
    if first != [TLS_HANDSHAKE] {
        return refuse(client);
    }
    client.set_read_timeout(None)?;
    let host = url.hostname().trim_start_matches('[').trim_end_matches(']');
    let server = TcpStream::connect((host, url.port())).with_context(|| format!("could not reach {url}"))?;
    for stream in [&client, &server] {
        stream.set_nodelay(true)?;
    }
    let (from_client, to_server) = (client.try_clone()?, server.try_clone()?);
    let forth = std::thread::spawn(move || copy(from_client, to_server));
    copy(server, client);
    // It can't panic, and how it ended matters to nobody: the connection is over.
    let _ended = forth.join();
    Ok(())
}

/// Hears the request out before it closes: a client that is still writing would
/// see a reset and no answer.
fn refuse(mut client: TcpStream) -> anyhow::Result<()> {
    const MOST: u64 = 64 * 1024;
    const REST: Duration = Duration::from_secs(1);
    client.write_all(PLAIN)?;
    client.shutdown(Shutdown::Write)?;
    client.set_read_timeout(Some(REST))?;
    // An end, an error, a silence: in each case there is no more to hear.
    let _heard = std::io::copy(&mut (&client).take(MOST), &mut std::io::sink());
    Ok(())
}

/// Until either side ends; then the other is told. An error is an end too.
fn copy(mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    // Either may be gone already, which is what is wanted.
    let _told = (to.shutdown(Shutdown::Write), from.shutdown(Shutdown::Read));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that answers what it hears, behind a port of its own.
    fn echo() -> ServerUrl {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            copy(stream.try_clone().unwrap(), stream);
        });
        format!("https://127.0.0.1:{port}").parse().unwrap()
    }

    #[test]
    fn bytes_that_begin_as_tls_does_pass_both_ways() {
        let port = in_background(&echo()).unwrap();
        let mut client = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        client.write_all(b"\x16hello").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let mut heard = Vec::new();
        client.read_to_end(&mut heard).unwrap();
        assert_eq!(heard, b"\x16hello");
    }

    #[test]
    fn plain_http_is_turned_away() {
        let port = in_background(&"https://127.0.0.1:1".parse().unwrap()).unwrap();
        let mut client = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        client.write_all(b"G").unwrap();
        let mut heard = [0; 12];
        client.read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"HTTP/1.1 400");
    }
}
