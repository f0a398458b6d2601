//! What of this machine belongs to a data directory right now.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use crate::cgroup::Cgroups;
use crate::network;
use crate::paths::Paths;
use crate::sys::loops;

/// Counts of what exists outside the data directory's own files, the server
/// aside. All zero after `down`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Inventory {
    /// Mounts below the data directory that the caller's namespace sees.
    pub mounts: usize,
    /// Groups in all hierarchies, parents included.
    pub cgroups: usize,
    /// Network namespaces that the keeper holds (the server's spare ones go with it).
    pub namespaces: usize,
    /// The bridge, and the host's ends of the cables to dynos and spare networks.
    pub links: usize,
    pub nft_tables: usize,
    /// The keeper, and all processes of dynos.
    pub processes: usize,
    /// Loop devices whose file lies in the data directory.
    pub loop_devices: usize,
}

impl Inventory {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Counts. A data directory that does not exist has nothing.
pub fn inventory(data_dir: &Path) -> Inventory {
    let Ok(paths) = Paths::of(data_dir) else { return Inventory::default() };
    let keeper = keeper_pid(&paths);
    let cgroups = Cgroups::detect(paths.cgroup()).ok();
    let groups = |cgroups: &Cgroups| {
        let parents = cgroups.parents();
        parents.iter().filter(|parent| parent.exists()).count()
            + parents.iter().filter_map(|parent| fs::read_dir(parent).ok()).flatten().filter(is_dir).count()
    };
    Inventory {
        mounts: our_mounts(&paths).len(),
        cgroups: cgroups.as_ref().map_or(0, groups),
        namespaces: keeper.map_or(0, network_namespaces),
        links: network::links(&paths).len(),
        nft_tables: usize::from(network::firewall_is_loaded(&paths)),
        processes: cgroups.map_or(0, |cgroups| cgroups.processes().len()) + usize::from(keeper.is_some()),
        loop_devices: loops::backed_by(&paths.data_dir).len(),
    }
}

fn is_dir(entry: &std::io::Result<fs::DirEntry>) -> bool {
    entry.as_ref().is_ok_and(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
}

/// The process id of the keeper that runs now.
pub(crate) fn keeper_pid(paths: &Paths) -> Option<i32> {
    use nix::fcntl::{Flock, FlockArg};
    let file = fs::File::open(paths.keeper_lock()).ok()?;
    // The lock tells whether the number in the file still counts.
    match Flock::lock(file, FlockArg::LockSharedNonblock) {
        Ok(_free) => None,
        Err((_, nix::errno::Errno::EWOULDBLOCK)) => fs::read_to_string(paths.keeper_lock()).ok()?.trim().parse().ok(),
        Err(_) => None,
    }
}

fn network_namespaces(pid: i32) -> usize {
    let Ok(descriptors) = fs::read_dir(format!("/proc/{pid}/fd")) else { return 0 };
    let distinct: BTreeSet<PathBuf> = descriptors
        .filter_map(|descriptor| fs::read_link(descriptor.ok()?.path()).ok())
        .filter(|target| target.to_string_lossy().starts_with("net:["))
        .collect();
    distinct.len()
}

/// All mounts that the platform makes: in these folders of the data directory,
/// dynos' images and disks and builds' disks. The data directory itself, or a
/// folder such as `blobs`, may well be a volume of the operator's.
pub(crate) fn our_mounts(paths: &Paths) -> Vec<PathBuf> {
    let folders = [paths.mounts(), paths.dynos(), paths.data_dir.join("run"), paths.data_dir.join("builds")];
    let below = |folder: &PathBuf| mounts_below(folder).into_iter().filter(|place| place != folder).collect::<Vec<_>>();
    folders.iter().flat_map(below).collect()
}

/// Mounts at or below a directory, the deepest and latest first.
pub(crate) fn mounts_below(dir: &Path) -> Vec<PathBuf> {
    let Ok(text) = fs::read("/proc/self/mountinfo") else { return Vec::new() };
    let mut places: Vec<PathBuf> = text
        .split(|byte| *byte == b'\n')
        .filter_map(|line| line.split(|byte| *byte == b' ').nth(4))
        .map(|field| PathBuf::from(std::ffi::OsString::from_vec(unescape(field))))
        .filter(|place| place.starts_with(dir))
        .collect();
    places.reverse();
    places
}

/// Undoes the kernel's `\040` for blanks and their like.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, tail)) = rest.split_first() {
        let code = (*first == b'\\').then(|| tail.get(..3)).flatten();
        match code.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok()) {
            Some(byte) => {
                text.push(byte);
                rest = &tail[3..];
            }
            None => {
                text.push(*first);
                rest = tail;
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_in_paths_are_read_as_such() {
        assert_eq!(unescape(br"/a\040b\134c"), br"/a b\c");
        assert_eq!(unescape(br"/plain\0"), br"/plain\0");
    }
}
