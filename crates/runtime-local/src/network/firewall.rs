//! The rules around the dynos' bridge, as one nft table.
//!
//! A dyno may open connections to the world and to private networks, but not
//! to the host, to link-local addresses (cloud metadata), or to dynos, its
//! neighbours or those of another data directory. Nobody outside may open one
//! to a dyno; the router on this host does so by the bridge.
//!
//! Where forwarding was off before us, the links that were there forward to
//! none but the bridge.
//!
//! These rules only refuse: where another tool drops forwarded traffic (as
//! Docker does), the operator must let the bridge through there too.

use std::io::{self, Write};
use std::process::{Command, Stdio};

use super::resolver::Resolver;
use super::subnet::{PREFIX, Subnet};

/// The whole table, to be loaded at once.
fn table(name: &str, bridge: &str, subnet: Subnet, resolver: &Resolver, closed: &[String], polite: bool) -> String {
    // A refusal that is told costs an app milliseconds; silence, its whole timeout.
    let refuse_tcp = if polite { "meta l4proto tcp reject with tcp reset" } else { "meta l4proto tcp drop" };
    let refuse = if polite { "reject with icmpx admin-prohibited" } else { "drop" };
    let (network, gateway) = (subnet.network, subnet.gateway());
    let names: String = resolver
        .servers
        .iter()
        .filter(|server| !server.is_loopback())
        .map(|server| format!("    ip daddr {server} udp dport 53 accept\n    ip daddr {server} tcp dport 53 accept\n"))
        .collect();
    let closed: Vec<String> = closed.iter().map(|link| format!("\"{link}\"")).collect();
    let closed = match closed.join(", ") {
        none if none.is_empty() => none,
        links => format!("    iifname {{ {links} }} oifname {{ {links} }} drop\n"),
    };
    let to_loopback = resolver.on_loopback().map_or_else(String::new, |server| {
        format!(
            "    iifname \"{bridge}\" ip daddr {gateway} udp dport 53 dnat ip to {server}\n    \
             iifname \"{bridge}\" ip daddr {gateway} tcp dport 53 dnat ip to {server}\n"
        )
    });
    format!(
        "add table inet {name}
delete table inet {name}
table inet {name} {{
  chain prerouting {{
    type nat hook prerouting priority -100; policy accept;
{to_loopback}  }}
  chain input {{
    type filter hook input priority -10; policy accept;
    iifname != \"{bridge}\" accept
    ct state established,related accept
    ct status dnat udp dport 53 accept
    ct status dnat tcp dport 53 accept
{names}    {refuse_tcp}
    {refuse}
  }}
  chain forward {{
    type filter hook forward priority -10; policy accept;
{closed}    iifname \"{bridge}\" jump outbound
    oifname \"{bridge}\" ct state established,related accept
    oifname \"{bridge}\" drop
  }}
  chain outbound {{
    ct state established,related accept
    oifname \"{bridge}\" {refuse}
{names}    ip daddr {network}/{PREFIX} {refuse}
    ip daddr {{ 169.254.0.0/16, 168.63.129.16, 100.100.100.200, 224.0.0.0/4, 255.255.255.255 }} {refuse}
    ip6 daddr fe80::/10 {refuse}
    ip saddr != {network}/{PREFIX} drop
  }}
  chain postrouting {{
    type nat hook postrouting priority 100; policy accept;
    ip saddr {network}/{PREFIX} oifname != \"{bridge}\" masquerade
  }}
}}
"
    )
}

/// Puts the table in place, in one step, whatever was there before.
/// `closed`: links that forward nothing to each other.
pub(super) fn load(name: &str, bridge: &str, subnet: Subnet, resolver: &Resolver, closed: &[String]) -> io::Result<()> {
    run(&table(name, bridge, subnet, resolver, closed, true)).or_else(|error| {
        tracing::warn!("This kernel's nftables can't refuse politely, so what dynos may not reach is silent: {error}");
        run(&table(name, bridge, subnet, resolver, closed, false))
    })
}

/// Removes the table; fine if there is none.
pub(super) fn unload(name: &str) -> io::Result<()> {
    run(&format!("add table inet {name}\ndelete table inet {name}\n"))
}

/// Whether the table is there.
pub(super) fn is_loaded(name: &str) -> io::Result<bool> {
    let output = nft(&["list", "tables"], None)?;
    Ok(output.lines().any(|line| line == format!("table inet {name}")))
}

fn run(script: &str) -> io::Result<()> {
    nft(&["-f", "-"], Some(script)).map(|_| ())
}

fn nft(arguments: &[&str], script: Option<&str>) -> io::Result<String> {
    let missing = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => io::Error::new(error.kind(), "the program `nft` is missing: install nftables"),
        _ => error,
    };
    let mut child = Command::new("nft")
        .args(arguments)
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin")
        .stdin(if script.is_some() { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(missing)?;
    if let (Some(mut stdin), Some(script)) = (child.stdin.take(), script) {
        stdin.write_all(script.as_bytes())?;
    }
    let output = child.wait_with_output()?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        let text = String::from_utf8_lossy(&output.stderr);
        Err(io::Error::other(format!("nft failed: {}", text.lines().next().unwrap_or("without a word"))))
    }
}
