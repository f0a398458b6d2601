//! What the kernel must be able to do for dynos.

use std::fs::read_to_string;
use std::path::Path;
use std::process::{Command, Stdio};

use super::check::Check;

/// Overlays on views with mapped user ids came with 5.19. (Such views of
/// squashfs came with 6.2; before it images are unpacked once instead.)
const OLDEST_KERNEL: (u32, u32) = (5, 19);

pub(super) fn checks() -> Vec<Check> {
    let read = |path: &str| read_to_string(path).unwrap_or_default();
    let mut checks = vec![root(), release(read("/proc/sys/kernel/osrelease").trim()), namespaces()];
    checks.extend(filesystems(&read("/proc/filesystems"), &can_load));
    checks.push(seccomp(&read("/proc/sys/kernel/seccomp/actions_avail")));
    checks.push(cgroups(&read("/proc/self/mountinfo"), &read("/sys/fs/cgroup/cgroup.controllers")));
    checks.push(Check::must(
        "kernel.loop",
        Path::new("/dev/loop-control").exists() || can_load("loop"),
        "loop devices (images are mounted through them)",
        "modprobe loop; in a container, pass /dev/loop-control and /dev/loop* to it",
    ));
    checks.extend(network());
    checks
}

fn root() -> Check {
    let is_root = nix::unistd::geteuid().is_root();
    let found = if is_root { "runs as root" } else { "runs as an ordinary user" };
    Check::must("user.root", is_root, found, "run the server (and this check) with sudo: it makes mounts and networks")
}

fn release(text: &str) -> Check {
    let mut numbers = text.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse::<u32>().unwrap_or_default());
    let version = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
    let (major, minor) = OLDEST_KERNEL;
    let mend = format!("use Linux {major}.{minor} or later");
    let found = format!("Linux {text}, {}", std::env::consts::ARCH);
    Check::must("kernel.release", version >= OLDEST_KERNEL, found, mend)
}

fn namespaces() -> Check {
    const KINDS: [&str; 7] = ["user", "mnt", "pid", "net", "ipc", "uts", "cgroup"];
    let lacks: Vec<&str> = KINDS.into_iter().filter(|kind| !Path::new("/proc/self/ns").join(kind).exists()).collect();
    if !lacks.is_empty() {
        let found = format!("the kernel lacks namespaces: {}", lacks.join(", "));
        return Check::failure("kernel.namespaces", found, "use a distribution's own kernel");
    }
    let limit = read_to_string("/proc/sys/user/max_user_namespaces").unwrap_or_default();
    Check::must(
        "kernel.namespaces",
        limit.trim() != "0",
        "user, mount, pid, network, ipc, uts, cgroup",
        "user namespaces are switched off: sysctl -w user.max_user_namespaces=100000",
    )
}

fn filesystems(known: &str, can_load: &dyn Fn(&str) -> bool) -> Vec<Check> {
    let purposes = [
        ("squashfs", "stacks and apps are squashfs images"),
        ("overlay", "dynos write to an overlay above their image"),
        ("ext4", "builds and dynos get disks of bounded size"),
    ];
    let is_known = |name: &str| known.lines().any(|line| line.split_whitespace().last() == Some(name));
    purposes
        .map(|(name, purpose)| {
            let there = is_known(name) || can_load(name);
            Check::must(format!("kernel.{name}"), there, purpose, format!("modprobe {name}, or a kernel that has it"))
        })
        .to_vec()
}

fn seccomp(actions: &str) -> Check {
    let there = actions.split_whitespace().any(|action| action == "errno");
    Check::must("kernel.seccomp", there, "system calls can be filtered", "use a kernel with CONFIG_SECCOMP_FILTER")
}

/// Either one cgroup2 hierarchy with the controllers, or version 1's, one
/// mount each.
fn cgroups(mountinfo: &str, v2_controllers: &str) -> Check {
    const NEEDED: [&str; 3] = ["memory", "pids", "cpu"];
    let lacks = |there: &dyn Fn(&str) -> bool| -> Vec<&str> {
        NEEDED.into_iter().filter(|controller| !there(controller)).collect()
    };
    let on_v2 = lacks(&|controller| v2_controllers.split_whitespace().any(|known| known == controller));
    if on_v2.is_empty() {
        return Check::ok("kernel.cgroups", "version 2 with memory, pids and cpu");
    }
    let on_v1 = lacks(&|controller| {
        mountinfo.lines().filter_map(|line| line.split_once(" - cgroup ")).any(|(_, rest)| {
            rest.split_whitespace().last().is_some_and(|options| options.split(',').any(|known| known == controller))
        })
    });
    let found = if on_v1.is_empty() {
        "version 1 with memory, pids and cpu".to_owned()
    } else {
        format!("no controller for: {}", if v2_controllers.is_empty() { on_v1.join(", ") } else { on_v2.join(", ") })
    };
    let mend = "boot with cgroup_enable=memory swapaccount=1 and mount cgroup2 at /sys/fs/cgroup; in a container, \
                give it a writable cgroup tree";
    Check::must("kernel.cgroups", on_v1.is_empty(), found, mend)
}

/// Tried in a network namespace that ends with the attempt.
fn network() -> Vec<Check> {
    let attempt = |script: &str| {
        let silent =
            |command: &mut Command| command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
        silent(Command::new("unshare").args(["--net", "sh", "-c", script])).is_ok_and(|status| status.success())
    };
    vec![
        Check::must(
            "kernel.network",
            attempt("ip link add rgd0 type bridge && ip link add rgd1 type veth peer name rgd2"),
            "bridges and pairs of virtual links",
            "needs root, the package iproute2, and the kernel modules bridge and veth",
        ),
        Check::must(
            "kernel.nftables",
            attempt("nft 'add table inet rgd; add chain inet rgd c { type nat hook postrouting priority 100; }'"),
            "firewall rules and address translation",
            "needs root, the package nftables, and the kernel modules nf_tables and nft_chain_nat",
        ),
    ]
}

/// Whether the module is on disk, to be loaded when it is asked for.
fn can_load(module: &str) -> bool {
    Command::new("modprobe")
        .args(["--dry-run", "--quiet", module])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::super::check::Status;
    use super::*;

    #[test]
    fn old_kernels_are_refused() {
        for (text, status) in [
            ("6.18.0-renga", Status::Ok),
            ("5.19.0", Status::Ok),
            ("10.0.1", Status::Ok),
            ("6.1.0-40-amd64", Status::Ok),
            ("5.15.0", Status::Failure),
            ("", Status::Failure),
        ] {
            assert_eq!(release(text).status, status, "{text}");
        }
    }

    #[test]
    fn cgroups_of_either_version_will_do() {
        let v1 = "30 29 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
                  31 29 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
                  32 29 0:28 / /sys/fs/cgroup/pids rw - cgroup pids rw,pids\n\
                  33 29 0:29 / /sys/fs/cgroup/unified rw - cgroup2 none rw\n";
        assert_eq!(cgroups(v1, "").found, "version 1 with memory, pids and cpu");
        assert_eq!(cgroups("", "cpuset cpu io memory pids").status, Status::Ok);
        let lacking = cgroups(v1.lines().next().unwrap(), "");
        assert_eq!((lacking.status, lacking.found.as_str()), (Status::Failure, "no controller for: pids, cpu"));
        assert_eq!(cgroups("", "cpu io pids").found, "no controller for: memory");
    }

    #[test]
    fn filesystems_count_if_known_or_loadable() {
        let known = "nodev\tsysfs\n\text4\nnodev\toverlay\n";
        let statuses = |loadable: bool| -> Vec<Status> {
            filesystems(known, &|_| loadable).iter().map(|check| check.status).collect()
        };
        assert_eq!(statuses(false), [Status::Failure, Status::Ok, Status::Ok]);
        assert_eq!(statuses(true), [Status::Ok; 3]);
    }
}
