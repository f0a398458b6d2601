//! What a data directory has on the machine outside of itself.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use anyhow::Context;

use crate::Process;

/// Everything that bears the data directory's path or name. Empty after
/// `renga down`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Footprint {
    pub mounts: BTreeSet<String>,
    pub loops: BTreeSet<String>,
    pub cgroups: BTreeSet<String>,
    pub links: BTreeSet<String>,
    pub tables: BTreeSet<String>,
    pub namespaces: BTreeSet<String>,
    pub processes: BTreeSet<Process>,
}

impl Footprint {
    /// Looks for the directory's path, and for the six digits by which names on
    /// the machine derive from it.
    pub fn of(data_dir: &Path) -> anyhow::Result<Self> {
        let path = data_dir.canonicalize()?.to_string_lossy().into_owned();
        let digest = output("sh", &["-c", r#"printf %s "$0" | sha256sum"#, &path])?;
        let instance = digest.get(..6).context("sha256sum said nothing")?;
        let is_ours = |text: &str| text.contains(&path) || text.contains(instance);

        let mut cgroups = BTreeSet::new();
        find_folders(Path::new("/sys/fs/cgroup"), 4, &mut |folder| {
            if is_ours(&folder.to_string_lossy()) {
                cgroups.insert(folder.to_string_lossy().into_owned());
            }
        });
        let mut processes: BTreeSet<Process> = Process::all(is_ours).into_iter().collect();
        for cgroup in &cgroups {
            let members = std::fs::read_to_string(Path::new(cgroup).join("cgroup.procs")).unwrap_or_default();
            processes.extend(members.lines().filter_map(|pid| Process::find(pid.parse().ok()?)));
        }
        Ok(Self {
            mounts: lines(&std::fs::read_to_string("/proc/self/mountinfo")?, is_ours),
            loops: lines(&output("losetup", &["--list", "--noheadings", "--output", "NAME,BACK-FILE"])?, is_ours),
            cgroups,
            links: lines(&output("ip", &["-oneline", "link"])?, is_ours),
            tables: lines(&output("nft", &["list", "tables"])?, is_ours),
            namespaces: lines(&output("ip", &["netns", "list"])?, is_ours),
            processes,
        })
    }

    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

fn output(program: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let output =
        Command::new(program).args(arguments).output().with_context(|| format!("could not start {program}"))?;
    anyhow::ensure!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn lines(text: &str, is_wanted: impl Fn(&str) -> bool) -> BTreeSet<String> {
    text.lines().filter(|line| is_wanted(line)).map(str::to_owned).collect()
}

fn find_folders(folder: &Path, depth: usize, found: &mut impl FnMut(&Path)) {
    // Cgroups come and go while we look.
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        found(&entry.path());
        if depth > 0 {
            find_folders(&entry.path(), depth - 1, found);
        }
    }
}
