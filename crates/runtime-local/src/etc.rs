//! The small files that a dyno's root gets over its stack's.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use runtime::{DynoSpec, USER_ID};

use crate::wire::PlanFile;

/// `stack`: where the stack's image is mounted; `None` for the host's `/usr`.
pub(crate) fn files(spec: &DynoSpec, stack: Option<&Path>, address: Ipv4Addr, resolv_conf: String) -> Vec<PlanFile> {
    let of_stack = |name: &str| {
        stack.and_then(|root| std::fs::read_to_string(root.join("etc").join(name)).ok()).unwrap_or_default()
    };
    let hostname = &spec.hostname;
    let mut files = vec![
        file("etc/passwd", passwd(&of_stack("passwd"))),
        file("etc/group", group(&of_stack("group"))),
        file("etc/hostname", format!("{hostname}\n")),
        file("etc/hosts", format!("127.0.0.1 localhost\n::1 localhost ip6-localhost\n{address} {hostname}\n")),
        file("etc/resolv.conf", resolv_conf),
        // Where buildpacks' scripts look for the dyno's size.
        file("sys/fs/cgroup/memory/memory.limit_in_bytes", format!("{}\n", spec.limits.memory_bytes)),
    ];
    if stack.is_none() {
        files.push(file("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n".to_owned()));
    }
    files
}

fn file(path: &str, content: String) -> PlanFile {
    PlanFile { path: PathBuf::from(path), content }
}

fn passwd(of_stack: &str) -> String {
    let dyno = format!("dyno:x:{USER_ID}:{USER_ID}::/app:/bin/bash\n");
    let others = others(of_stack, "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534::/nonexistent:/bin/false\n");
    others + &dyno
}

fn group(of_stack: &str) -> String {
    let dyno = format!("dyno:x:{USER_ID}:\n");
    others(of_stack, "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n") + &dyno
}

/// The stack's entries except for those that bear our name or number.
fn others(of_stack: &str, without_any: &str) -> String {
    let entries = if of_stack.is_empty() { without_any } else { of_stack };
    let ours = USER_ID.to_string();
    entries
        .lines()
        .filter(|line| {
            let mut fields = line.split(':');
            fields.next() != Some("dyno") && fields.nth(1) != Some(ours.as_str())
        })
        .flat_map(|line| [line, "\n"])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_is_ours_and_the_stacks_others_stay() {
        let text = passwd("root:x:0:0::/root:/bin/sh\nubuntu:x:1000:1000::/home/u:/bin/sh\nwww-data:x:33:33::/:/x\n");
        assert_eq!(text, "root:x:0:0::/root:/bin/sh\nwww-data:x:33:33::/:/x\ndyno:x:1000:1000::/app:/bin/bash\n");
        assert!(group("").contains("tty:x:5:\n"));
    }
}
