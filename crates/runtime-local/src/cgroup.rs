//! Control groups, whichever way this machine has them.
//!
//! A controller is used where it is: in a v1 hierarchy, or in the v2 tree.
//! Many machines have both (hybrid): controllers on v1, and a v2 tree beside
//! them, which then still counts CPU time. Each server has one group named
//! after its data directory in each hierarchy, and below it one per dyno.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use domain::DynoId;
use runtime::{Limits, Usage};

use crate::wire::PlanCgroup;

#[derive(Debug, thiserror::Error)]
pub enum CgroupError {
    #[error("the kernel offers no cgroup controller `{0}`, so dynos could not be limited")]
    NoController(&'static str),
    #[error("could not write `{value}` to `{}`", path.display())]
    Write { path: PathBuf, value: String, source: io::Error },
    #[error("could not make or read the cgroup `{}`", path.display())]
    Access { path: PathBuf, source: io::Error },
}

/// Where the controllers are.
#[derive(Debug, Clone)]
pub(crate) struct Cgroups {
    /// Name of the group that holds all of this data directory.
    parent: String,
    /// The v2 tree, if it is mounted.
    unified: Option<PathBuf>,
    /// v1 hierarchies by controller.
    legacy: BTreeMap<&'static str, PathBuf>,
    /// The v1 hierarchy without a controller by which systemd knows services.
    services: Option<PathBuf>,
}

/// The keeper's group beside those of the dynos.
const KEEPER: &str = "keeper";

/// Without these there is no limit worth the name.
const NEEDED: [&str; 3] = ["memory", "pids", "cpu"];

/// All dynos together against the host's other work: a busy app must not be
/// starved by one busy process outside.
const PARENT_SHARES: u64 = 4096;

impl Cgroups {
    pub(crate) fn detect(parent: String) -> Result<Self, CgroupError> {
        let path = Path::new("/proc/self/mountinfo");
        let text = fs::read_to_string(path).map_err(|source| CgroupError::Access { path: path.to_owned(), source })?;
        let mut found = Self::from_mountinfo(parent, &text);
        for controller in NEEDED {
            if !found.legacy.contains_key(controller) && !found.unified_has(controller) {
                return Err(CgroupError::NoController(controller));
            }
        }
        // A v2 tree counts CPU time anyhow; v1 only by a controller of its own.
        if found.unified.is_some() {
            found.legacy.remove("cpuacct");
        }
        Ok(found)
    }

    fn from_mountinfo(parent: String, text: &str) -> Self {
        let mut found = Self { parent, unified: None, legacy: BTreeMap::new(), services: None };
        for line in text.lines() {
            let Some((left, right)) = line.split_once(" - ") else { continue };
            let (Some(root), Some(at)) = (left.split(' ').nth(3), left.split(' ').nth(4)) else { continue };
            let mut right = right.split(' ');
            let (kind, options) = (right.next(), right.nth(1).unwrap_or_default());
            match kind {
                Some("cgroup2") if root == "/" => found.unified = Some(PathBuf::from(at)),
                Some("cgroup") if root == "/" => {
                    if options.split(',').any(|option| option == "name=systemd") {
                        found.services = Some(PathBuf::from(at));
                    }
                    for controller in ["memory", "pids", "cpu", "cpuacct"] {
                        if options.split(',').any(|option| option == controller) {
                            found.legacy.insert(controller, PathBuf::from(at));
                        }
                    }
                }
                _ => {}
            }
        }
        found
    }

    fn unified_has(&self, controller: &str) -> bool {
        self.unified.as_ref().is_some_and(|root| {
            fs::read_to_string(root.join("cgroup.controllers"))
                .is_ok_and(|all| all.split_whitespace().any(|name| name == controller))
        })
    }

    fn hierarchies(&self) -> impl Iterator<Item = &PathBuf> {
        self.legacy.values().chain(&self.unified).chain(&self.services)
    }

    /// Moves this process, a keeper to be, out of the groups of whoever has
    /// started it: the end of a service is none of the dynos'.
    pub(crate) fn join_keepers(&self) -> Result<(), CgroupError> {
        let mut groups: Vec<PathBuf> = self.hierarchies().map(|root| root.join(&self.parent).join(KEEPER)).collect();
        groups.sort();
        groups.dedup();
        for group in groups {
            make(&group)?;
            write(&group.join("cgroup.procs"), std::process::id())?;
        }
        Ok(())
    }

    /// Each hierarchy's group of this data directory.
    pub(crate) fn parents(&self) -> Vec<PathBuf> {
        let mut parents: Vec<PathBuf> = self.hierarchies().map(|root| root.join(&self.parent)).collect();
        parents.sort();
        parents.dedup();
        parents
    }

    /// Makes the parents, or repairs them.
    pub(crate) fn make_parents(&self) -> Result<(), CgroupError> {
        for parent in self.parents() {
            make(&parent)?;
        }
        if let Some(cpu) = self.legacy.get("cpu") {
            write(&cpu.join(&self.parent).join("cpu.shares"), PARENT_SHARES)?;
        }
        if let Some(root) = &self.unified {
            let parent = root.join(&self.parent);
            for controller in NEEDED {
                if !self.legacy.contains_key(controller) {
                    write(&root.join("cgroup.subtree_control"), format!("+{controller}"))?;
                    write(&parent.join("cgroup.subtree_control"), format!("+{controller}"))?;
                }
            }
            if !self.legacy.contains_key("cpu") {
                write(&parent.join("cpu.weight"), weight(PARENT_SHARES))?;
            }
        }
        Ok(())
    }

    /// Makes a dyno's groups with their limits set.
    pub(crate) fn make(&self, dyno: DynoId, limits: &Limits) -> Result<PlanCgroup, CgroupError> {
        let groups = self.of(dyno);
        for dir in groups.legacy.iter().chain(&groups.unified) {
            make(dir)?;
        }
        match self.place("memory", dyno)? {
            Place::V1(dir) => {
                write(&dir.join("memory.limit_in_bytes"), limits.memory_bytes)?;
                write_if_there(&dir.join("memory.memsw.limit_in_bytes"), limits.memory_bytes)?;
            }
            Place::V2(dir) => {
                write(&dir.join("memory.max"), limits.memory_bytes)?;
                write_if_there(&dir.join("memory.swap.max"), 0)?;
            }
        }
        // Pid 1 is ours and not the app's.
        let processes = u64::from(limits.processes) + 1;
        let (Place::V1(dir) | Place::V2(dir)) = self.place("pids", dyno)?;
        write(&dir.join("pids.max"), processes)?;

        let shares = (u64::from(limits.cpu_share) * 1024).clamp(2, 262_144);
        match self.place("cpu", dyno)? {
            Place::V1(dir) => {
                write(&dir.join("cpu.shares"), shares)?;
                if let Some(millis) = limits.cpu_millis {
                    write(&dir.join("cpu.cfs_period_us"), PERIOD_US)?;
                    write(&dir.join("cpu.cfs_quota_us"), quota_us(millis))?;
                }
            }
            Place::V2(dir) => {
                write(&dir.join("cpu.weight"), weight(shares))?;
                if let Some(millis) = limits.cpu_millis {
                    write(&dir.join("cpu.max"), format!("{} {PERIOD_US}", quota_us(millis)))?;
                }
            }
        }
        Ok(groups)
    }

    /// The groups that a dyno has, whether or not they exist.
    fn of(&self, dyno: DynoId) -> PlanCgroup {
        let group = |root: &PathBuf| root.join(&self.parent).join(dyno.to_string());
        let mut legacy: Vec<PathBuf> = self.legacy.values().map(group).collect();
        legacy.sort();
        legacy.dedup();
        let unified = self.unified.as_ref().map(group);
        let oom = match (self.legacy.get("memory"), &unified) {
            (None, Some(dir)) => dir.join("memory.events"),
            (Some(root), _) => group(root).join("memory.oom_control"),
            (None, None) => PathBuf::new(),
        };
        PlanCgroup { unified, legacy, oom }
    }

    fn place(&self, controller: &'static str, dyno: DynoId) -> Result<Place, CgroupError> {
        let group = |root: &PathBuf| root.join(&self.parent).join(dyno.to_string());
        match (self.legacy.get(controller), &self.unified) {
            (Some(root), _) => Ok(Place::V1(group(root))),
            (None, Some(root)) => Ok(Place::V2(group(root))),
            (None, None) => Err(CgroupError::NoController(controller)),
        }
    }

    /// What a dyno uses now.
    pub(crate) fn usage(&self, dyno: DynoId) -> Result<Usage, CgroupError> {
        let memory_bytes = match self.place("memory", dyno)? {
            Place::V1(dir) => number(&dir.join("memory.usage_in_bytes"))?,
            Place::V2(dir) => number(&dir.join("memory.current"))?,
        };
        let (Place::V1(dir) | Place::V2(dir)) = self.place("pids", dyno)?;
        let processes = number(&dir.join("pids.current"))?.saturating_sub(1);
        let cpu_time = match self.of(dyno).unified {
            Some(dir) => Duration::from_micros(value_of(&dir.join("cpu.stat"), "usage_usec")?),
            None => match self.place("cpuacct", dyno)? {
                Place::V1(dir) | Place::V2(dir) => Duration::from_nanos(number(&dir.join("cpuacct.usage"))?),
            },
        };
        Ok(Usage { memory_bytes, cpu_time, processes: u32::try_from(processes).unwrap_or(u32::MAX) })
    }

    /// Removes a dyno's groups; fine if there are none. All its processes must
    /// be gone.
    pub(crate) fn remove(&self, dyno: DynoId) -> Result<(), CgroupError> {
        let groups = self.of(dyno);
        groups.legacy.iter().chain(&groups.unified).try_for_each(|dir| remove(dir))
    }

    /// The dynos that have a group, wherever.
    pub(crate) fn dynos(&self) -> Vec<DynoId> {
        let mut dynos: Vec<DynoId> = self
            .parents()
            .iter()
            .filter_map(|parent| fs::read_dir(parent).ok())
            .flatten()
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .collect();
        dynos.sort();
        dynos.dedup();
        dynos
    }

    /// The processes (host numbering) in any group of this data directory.
    pub(crate) fn processes(&self) -> Vec<i32> {
        self.dynos().into_iter().flat_map(|dyno| self.processes_of(dyno)).collect()
    }

    /// The processes (host numbering) in any group of a dyno.
    pub(crate) fn processes_of(&self, dyno: DynoId) -> Vec<i32> {
        let groups = self.of(dyno);
        let mut pids: Vec<i32> = Vec::new();
        for dir in groups.legacy.iter().chain(&groups.unified) {
            let listed = fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default();
            pids.extend(listed.lines().filter_map(|line| line.parse::<i32>().ok()));
        }
        pids.sort_unstable();
        pids.dedup();
        pids
    }
}

/// A dyno's group, and which files it has.
enum Place {
    V1(PathBuf),
    V2(PathBuf),
}

const PERIOD_US: u64 = 100_000;

fn quota_us(millis: u32) -> u64 {
    // The kernel takes no less than a millisecond.
    (u64::from(millis) * PERIOD_US / 1000).max(1000)
}

/// v1 shares (1024 is usual) as a v2 weight (100 is usual).
fn weight(shares: u64) -> u64 {
    (shares * 100 / 1024).clamp(1, 10_000)
}

/// How often the kernel killed in this group for want of memory. `file` is
/// `memory.oom_control` (v1) or `memory.events` (v2).
pub(crate) fn oom_kills(file: &Path) -> Result<u64, CgroupError> {
    value_of(file, "oom_kill")
}

fn value_of(file: &Path, key: &str) -> Result<u64, CgroupError> {
    let access = |source| CgroupError::Access { path: file.to_owned(), source };
    let text = fs::read_to_string(file).map_err(access)?;
    text.lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
        .ok_or_else(|| access(io::Error::new(io::ErrorKind::InvalidData, format!("no `{key}` in it"))))
}

fn number(file: &Path) -> Result<u64, CgroupError> {
    let access = |source| CgroupError::Access { path: file.to_owned(), source };
    let text = fs::read_to_string(file).map_err(access)?;
    text.trim().parse().map_err(|_| access(io::ErrorKind::InvalidData.into()))
}

fn make(dir: &Path) -> Result<(), CgroupError> {
    match fs::create_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other.map_err(|source| CgroupError::Access { path: dir.to_owned(), source }),
    }
}

/// Removes an empty group. A process that was reaped a moment ago may still
/// count as in it, so a busy one is tried again for up to ten
/// seconds: a large dyno that was killed takes its time to go.
pub(crate) fn remove(dir: &Path) -> Result<(), CgroupError> {
    let mut attempts = 0;
    loop {
        match fs::remove_dir(dir) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) && attempts < 2000 => {
                attempts += 1;
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(source) => return Err(CgroupError::Access { path: dir.to_owned(), source }),
        }
    }
}

fn write(file: &Path, value: impl ToString) -> Result<(), CgroupError> {
    let value = value.to_string();
    // Control files are never created: a plain write would hide a wrong path.
    let opened = fs::OpenOptions::new().write(true).open(file);
    opened.and_then(|mut file| io::Write::write_all(&mut file, value.as_bytes())).map_err(|source| CgroupError::Write {
        path: file.to_owned(),
        value,
        source,
    })
}

fn write_if_there(file: &Path, value: u64) -> Result<(), CgroupError> {
    if file.exists() { write(file, value) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "\
30 23 0:26 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct
31 23 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
32 23 0:28 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids
33 23 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
35 23 0:31 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd
34 23 0:30 /sub /elsewhere rw - cgroup2 cgroup2 rw
";

    #[test]
    fn controllers_are_found_where_they_are() {
        let found = Cgroups::from_mountinfo("renga-x".into(), HYBRID);
        assert_eq!(found.unified.as_deref(), Some(Path::new("/sys/fs/cgroup/unified")));
        assert_eq!(found.legacy["memory"], Path::new("/sys/fs/cgroup/memory"));
        assert_eq!(found.legacy["cpu"], found.legacy["cpuacct"]);
        assert_eq!(found.services.as_deref(), Some(Path::new("/sys/fs/cgroup/systemd")));
        assert_eq!(found.parents().len(), 5, "a hierarchy of two controllers counts once");
    }

    #[test]
    fn on_v2_alone_everything_is_in_one_group() {
        let found = Cgroups::from_mountinfo("renga-x".into(), "25 1 0:22 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw");
        let dyno = DynoId(uuid::Uuid::nil());
        let groups = found.of(dyno);
        assert!(groups.legacy.is_empty());
        assert!(groups.oom.ends_with("memory.events"));
        assert!(matches!(found.place("cpu", dyno), Ok(Place::V2(_))));
    }

    #[test]
    fn shares_become_weights() {
        assert_eq!((weight(1024), weight(2), weight(262_144)), (100, 1, 10_000));
        assert_eq!((quota_us(1500), quota_us(1)), (150_000, 1000));
    }
}
