//! The kernel's forwarding, which the dynos need and the machine may not have
//! had before.
//!
//! It can be switched on for a whole machine only. Where we do it, the links
//! that were there do not forward between each other afterwards either: a rule
//! of our table says so. What was switched on is noted in `/run/renga`, which a
//! restart of the machine forgets together with the setting.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::set_sysctl;

const SETTING: &str = "/proc/sys/net/ipv4/ip_forward";

/// What was there when forwarding was switched on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Before {
    /// The machine's links then: none forwards to another of them.
    pub(super) links: Vec<String>,
}

/// Sees to it that the machine forwards. Returns what was there before, if it
/// was us who switched it on.
pub(super) fn switch_on(machine: &Path) -> io::Result<Option<Before>> {
    let _lock = lock(machine)?;
    let note = note(machine)?;
    if fs::read_to_string(SETTING)?.trim() == "0" {
        let before = Before { links: links()?.into_iter().filter(|link| !is_ours(link)).collect() };
        fs::write(&note, serde_json::to_vec(&before)?)?;
        set_sysctl(SETTING, "1")?;
        return Ok(Some(before));
    }
    match fs::read(&note) {
        Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Switches it off again if it was us who did not find it on, no server of ours
/// is left, and nothing has come since that may need it.
pub(super) fn switch_back(machine: &Path) -> io::Result<()> {
    let _lock = lock(machine)?;
    let note = note(machine)?;
    let before: Before = match fs::read(&note) {
        Ok(bytes) => serde_json::from_slice(&bytes)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let now = links()?;
    if now.iter().any(|link| is_ours(link)) {
        return Ok(());
    }
    if now.iter().all(|link| before.links.contains(link)) {
        set_sysctl(SETTING, "0")?;
    } else {
        tracing::info!("Forwarding stays on: there are links that came after it was switched on");
    }
    fs::remove_file(note)
}

/// A bridge or cable of some server on this machine: `rg`, six hexadecimal
/// digits, and perhaps a slot.
fn is_ours(link: &str) -> bool {
    link.strip_prefix("rg").is_some_and(|rest| {
        let (instance, slot) = rest.split_once('-').unwrap_or((rest, "0"));
        instance.len() == 6
            && instance.bytes().all(|byte| byte.is_ascii_hexdigit())
            && slot.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// Names that the firewall's language takes as they are.
fn links() -> io::Result<Vec<String>> {
    // Not of `/sys`, which shows the namespace in which it was mounted.
    let table = fs::read_to_string("/proc/thread-self/net/dev")?;
    let names = table.lines().filter_map(|line| Some(line.rsplit_once(':')?.0.trim()));
    let is_plain = |name: &&str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte));
    let mut links: Vec<String> = names.filter(is_plain).map(str::to_owned).collect();
    links.sort();
    Ok(links)
}

/// Of this network namespace: the setting is its own.
fn note(machine: &Path) -> io::Result<PathBuf> {
    let namespace = fs::read_link("/proc/thread-self/ns/net")?;
    let number: String = namespace.to_string_lossy().chars().filter(char::is_ascii_digit).collect();
    Ok(machine.join(format!("forwarding-{number}")))
}

fn lock(machine: &Path) -> io::Result<File> {
    fs::create_dir_all(machine)?;
    let lock = File::create(machine.join("forwarding.lock"))?;
    lock.lock()?;
    Ok(lock)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_links_are_known_by_their_names() {
        for ours in ["rg01ab9f", "rg01ab9f-17"] {
            assert!(is_ours(ours), "{ours}");
        }
        for other in ["eth0", "rg0", "rgateway", "rg01ab9f-x", "docker0"] {
            assert!(!is_ours(other), "{other}");
        }
    }

    #[test]
    fn it_is_switched_on_and_off_again_in_a_network_of_its_own() {
        if !nix::unistd::geteuid().is_root() {
            eprintln!("skipped: a network namespace needs root");
            return;
        }
        let machine = tempfile::tempdir().unwrap();
        let place = machine.path().to_owned();
        // Both the namespace and the mount that shows its settings are this thread's alone.
        let thread = std::thread::spawn(move || {
            use nix::sched::{CloneFlags, unshare};
            unshare(CloneFlags::CLONE_NEWNET).unwrap();
            let setting = || fs::read_to_string(SETTING).unwrap().trim().to_owned();
            fs::write(SETTING, "0").unwrap();
            let before = switch_on(&place).unwrap().unwrap();
            assert_eq!(setting(), "1");
            assert_eq!(switch_on(&place).unwrap(), Some(before), "another server finds the note");
            switch_back(&place).unwrap();
            assert_eq!(setting(), "0");
            // The operator's own stays.
            fs::write(SETTING, "1").unwrap();
            assert_eq!(switch_on(&place).unwrap(), None);
            switch_back(&place).unwrap();
            assert_eq!(setting(), "1");
        });
        thread.join().unwrap();
    }
}
