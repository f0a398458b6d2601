//! Who can talk to whom.

use std::net::{IpAddr, TcpListener};
use std::process::Command;
use std::time::Duration;

use runtime::{Listening, Runtime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::machine::{Machine, script, within};

const SERVER: &str = "import socket,sys
s=socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind((sys.argv[1], int(sys.argv[2]))); s.listen(); print('up', flush=True)
while True:
    c,_=s.accept(); c.sendall(b'hello'); c.close()
";

fn server(address: &str, port: u16) -> crate::machine::Wish {
    let mut wish = script("");
    let words = ["/usr/bin/python3", "-c", SERVER, address, &port.to_string()];
    wish.command = Some(words.map(str::to_owned).to_vec());
    wish
}

fn has_python() -> bool {
    let there = std::path::Path::new("/usr/bin/python3").exists();
    if !there {
        eprintln!("skipped: /usr/bin/python3 is missing");
    }
    there
}

/// Connects from inside; "open" or "closed".
fn probe(addresses: &[(String, u16)]) -> String {
    addresses
        .iter()
        .map(|(address, port)| {
            format!("timeout 1 bash -c 'exec 3<>/dev/tcp/{address}/{port}' 2>/dev/null && echo open || echo closed;")
        })
        .collect()
}

#[tokio::test]
async fn the_router_reaches_a_dyno_and_sees_where_it_listens() {
    let Some(mut machine) = Machine::new().await else { return };
    if !has_python() {
        return;
    }
    let (id, started) = machine.start(server("0.0.0.0", 80)).await;
    machine.until(id, |seen| seen.stdout.contains("up")).await;
    assert_eq!(machine.runtime().listening(id, 80).await.unwrap(), Listening::Yes);
    assert_eq!(machine.runtime().listening(id, 81).await.unwrap(), Listening::No);
    let mut stream = TcpStream::connect((started.address, 80)).await.unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).await.unwrap();
    assert_eq!(said, "hello");

    let (lonely, _) = machine.start(server("127.0.0.1", 5000)).await;
    machine.until(lonely, |seen| seen.stdout.contains("up")).await;
    assert_eq!(machine.runtime().listening(lonely, 5000).await.unwrap(), Listening::OnLoopbackOnly);
    let (wide, _) = machine.start(server("0.0.0.0", 5000)).await;
    machine.until(wide, |seen| seen.stdout.contains("up")).await;
    machine.runtime().stop(wide, Duration::ZERO).await.unwrap();
    machine.until_exit(wide).await;
    assert_eq!(machine.runtime().listening(wide, 5000).await.unwrap(), Listening::No);
}

#[tokio::test]
async fn dynos_reach_neither_host_nor_neighbours_nor_metadata() {
    let Some(mut machine) = Machine::new().await else { return };
    let Some(mut other) = Machine::new().await else { return };
    if !has_python() {
        return;
    }
    let (neighbour, at) = machine.start(server("0.0.0.0", 5000)).await;
    machine.until(neighbour, |seen| seen.stdout.contains("up")).await;
    let (foreign, foreign_at) = other.start(server("0.0.0.0", 5000)).await;
    other.until(foreign, |seen| seen.stdout.contains("up")).await;
    let IpAddr::V4(address) = at.address else { panic!("IPv4") };
    let gateway = std::net::Ipv4Addr::from(u32::from(address) & 0xffff_f000 | 1);
    let host = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = host.local_addr().unwrap().port();
    // The control: the host itself reaches all of them.
    for (to, port) in [(at.address, 5000), (foreign_at.address, 5000), (IpAddr::V4(gateway), port)] {
        TcpStream::connect((to, port)).await.unwrap();
    }
    let targets = [
        (at.address.to_string(), 5000),
        (foreign_at.address.to_string(), 5000),
        (gateway.to_string(), port),
        ("169.254.169.254".to_owned(), 80),
    ];
    let seen = machine.run(script(&format!("{} exit 0", probe(&targets)))).await;
    assert_eq!(seen.out(), "closed\nclosed\nclosed\nclosed");

    // Every other address of the host too.
    let output = Command::new("hostname").arg("-I").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let own: Vec<_> = text.split_whitespace().filter(|ip| ip.contains('.')).map(|ip| (ip.to_owned(), port)).collect();
    let seen = machine.run(script(&format!("{} exit 0", probe(&own)))).await;
    assert!(!own.is_empty() && !seen.out().contains("open"), "{own:?} {}", seen.stdout);
}

/// A network namespace that stands for the world, with a cable to the host.
struct World {
    name: String,
}

impl World {
    const ADDRESS: &str = "10.207.77.2";

    fn new() -> Self {
        let world = Self { name: format!("rgtest{}", std::process::id()) };
        let name = &world.name;
        for arguments in [
            format!("netns add {name}"),
            format!("link add {name} type veth peer name eth0 netns {name}"),
            format!("addr add 10.207.77.1/24 dev {name}"),
            format!("link set {name} up"),
            format!("-n {name} addr add {}/24 dev eth0", Self::ADDRESS),
            format!("-n {name} link set eth0 up"),
        ] {
            let done = Command::new("ip").args(arguments.split(' ')).output().unwrap();
            assert!(done.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&done.stderr));
        }
        world
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for arguments in [format!("link del {}", self.name), format!("netns del {}", self.name)] {
            let _ = Command::new("ip").args(arguments.split(' ')).status();
        }
    }
}

#[tokio::test]
async fn the_world_is_reached_by_the_hosts_address_and_does_not_reach_back() {
    let Some(mut machine) = Machine::new().await else { return };
    if !has_python() {
        return;
    }
    let world = World::new();
    let mut outside = tokio::process::Command::new("ip")
        .args(["netns", "exec", &world.name, "python3", "-c"])
        .arg(
            "import socket
s=socket.socket(); s.bind(('0.0.0.0', 8000)); s.listen(); print('up', flush=True)
c,a=s.accept(); c.sendall(a[0].encode()); c.close(); s.close()",
        )
        .stdout(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut word = [0; 3];
    outside.stdout.as_mut().unwrap().read_exact(&mut word).await.unwrap();
    let seen = machine.run(script(&format!("exec 3<>/dev/tcp/{}/8000; cat <&3", World::ADDRESS))).await;
    assert_eq!(seen.out(), "10.207.77.1", "masked by the host's address: {}", seen.stderr);

    // A route to the dynos does not help the world.
    let (id, started) = machine.start(server("0.0.0.0", 5000)).await;
    machine.until(id, |seen| seen.stdout.contains("up")).await;
    let route = format!("-n {} route add 10.208.0.0/12 via 10.207.77.1", world.name);
    assert!(Command::new("ip").args(route.split(' ')).status().unwrap().success());
    let knock = format!("timeout 1 bash -c 'exec 3<>/dev/tcp/{}/5000' 2>/dev/null", started.address);
    let knocked = tokio::process::Command::new("ip")
        .args(["netns", "exec", &world.name, "bash", "-c", &knock])
        .status()
        .await
        .unwrap();
    assert!(!knocked.success());
}

#[tokio::test]
async fn names_resolve_as_on_the_host() {
    let Some(mut machine) = Machine::new().await else { return };
    let seen = machine.run(script("getent hosts localhost web-1-test | wc -l; cat /etc/resolv.conf")).await;
    let mut lines = seen.out().lines();
    assert_eq!(lines.next(), Some("2"));
    let servers: Vec<&str> = lines.filter(|line| line.starts_with("nameserver")).collect();
    assert!(!servers.iter().any(|line| line.contains(" 127.")), "no loopback of the host: {servers:?}");
}

#[tokio::test]
async fn a_repair_brings_back_what_someone_has_removed_under_running_dynos() {
    let Some(mut machine) = Machine::new().await else { return };
    if !has_python() {
        return;
    }
    let (id, started) = machine.start(server("0.0.0.0", 5000)).await;
    machine.until(id, |seen| seen.stdout.contains("up")).await;
    let (neighbour, _) = machine.start(script("echo up; sleep 1000")).await;
    machine.until(neighbour, |seen| seen.stdout.contains("up")).await;
    let bridge = bridge_of(started.address);
    let table = bridge.replacen("rg", "renga_", 1);
    for (program, arguments) in [("nft", format!("delete table inet {table}")), ("ip", format!("link del {bridge}"))] {
        assert!(Command::new(program).args(arguments.split(' ')).status().unwrap().success());
    }
    assert_eq!(runtime_local::inventory(machine.data_dir()).nft_tables, 0);
    machine.runtime().repair().await.unwrap();
    assert_eq!(runtime_local::inventory(machine.data_dir()).nft_tables, 1);
    let mut stream = within(TcpStream::connect((started.address, 5000))).await.unwrap();
    let mut said = String::new();
    within(stream.read_to_string(&mut said)).await.unwrap();
    assert_eq!(said, "hello");
    let seen = machine.run(script(&format!("{} exit 0", probe(&[(started.address.to_string(), 5000)])))).await;
    assert_eq!(seen.out(), "closed", "the ports are isolated again");
}

/// The bridge by which the host reaches a dyno.
fn bridge_of(address: IpAddr) -> String {
    let output = Command::new("ip").args(["route", "get", &address.to_string()]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.split_whitespace().skip_while(|word| *word != "dev").nth(1).unwrap().to_owned()
}

#[tokio::test]
async fn many_dynos_answer_and_none_is_late() {
    let Some(mut machine) = Machine::new().await else { return };
    if !has_python() {
        return;
    }
    let mut ids = Vec::new();
    for _ in 0..12 {
        let (id, started) = machine.start(server("0.0.0.0", 5000)).await;
        machine.until(id, |seen| seen.stdout.contains("up")).await;
        let begun = std::time::Instant::now();
        let mut stream = TcpStream::connect((started.address, 5000)).await.unwrap();
        stream.write_all(b"x").await.unwrap();
        assert!(begun.elapsed() < Duration::from_millis(400), "{:?}", begun.elapsed());
        ids.push(id);
    }
    for id in ids {
        machine.runtime().remove(id).await.unwrap();
    }
}
