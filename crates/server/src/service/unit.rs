//! The text of the unit.

/// Why each line is there stands in `docs/operating.md`. What is not there is
/// left out on purpose: whatever gives the service a mount namespace of its own
/// (`ProtectHome`, `PrivateTmp`, ...) would part it from the dynos' keeper,
/// with which it shares mounts, and filters on system calls, addresses or
/// set-id files would be the dynos' and the stacks' too.
pub(super) fn text(program: &str, configuration: &str) -> String {
    format!(
        "\
# Made by `renga service install`, which writes it anew at each upgrade. For
# changes of your own: systemctl edit renga
[Unit]
Description=Renga, your own Heroku
Wants=network-online.target
# What loads firewalls and switches on forwarding comes first.
After=network-online.target nss-lookup.target nftables.service docker.service
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart={program} server --config {configuration}
Restart=always
RestartSec=1
# Dynos outlive the server: nothing but its own process ends with it.
KillMode=process
TimeoutStopSec=30
OOMPolicy=continue
Delegate=yes
LimitNOFILE=1048576
TasksMax=infinity
UMask=0022
NoNewPrivileges=yes
RestrictRealtime=yes
KeyringMode=private
CapabilityBoundingSet={capabilities}

[Install]
WantedBy=multi-user.target
",
        capabilities = CAPABILITIES.join(" ")
    )
}

/// Mounts, networks and namespaces; files of others (git's, dynos', stacks');
/// other users; low ports; limits; ends of processes; what packages of a stack
/// have (devices, capabilities of files).
const CAPABILITIES: [&str; 18] = [
    "CAP_SYS_ADMIN",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_NET_BIND_SERVICE",
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_SETUID",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETFCAP",
    "CAP_MKNOD",
    "CAP_KILL",
    "CAP_SYS_CHROOT",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_PTRACE",
];

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn systemd_finds_nothing_wrong_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let unit = dir.path().join("renga.service");
        // The program must exist for systemd to be content.
        std::fs::write(&unit, text("/bin/true", "/etc/renga/renga.toml")).unwrap();
        let verified = match Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&unit).output() {
            Ok(verified) => verified,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                eprintln!("skipped: systemd-analyze is not here");
                return;
            }
            Err(error) => panic!("{error}"),
        };
        let told = String::from_utf8_lossy(&verified.stderr);
        assert!(!told.contains("renga.service"), "{told}");
    }

    #[test]
    fn a_stop_is_no_order_to_the_dynos() {
        let text = text("/usr/local/bin/renga", "/etc/renga/renga.toml");
        for line in ["KillMode=process", "Delegate=yes", "OOMPolicy=continue", "Restart=always"] {
            assert!(text.lines().any(|known| known == line), "{line}");
        }
        for setting in ["Private", "Protect", "ReadOnly", "ReadWrite", "BindPaths", "RootDirectory", "MountFlags"] {
            assert!(!text.contains(setting), "{setting} would give it a mount namespace of its own");
        }
    }
}
