//! Where everything of one data directory lies, and how it is named outside.
//!
//! Names that are global to the machine (links, nft tables, cgroups) bear the
//! *instance*: the first six hexadecimal digits of the SHA-256 of the data
//! directory's canonical path. So servers live side by side, and whatever is
//! found later can be told to belong to one of them.

use std::io;
use std::path::{Path, PathBuf};

use domain::DynoId;
use ring::digest::{SHA256, digest};

#[derive(Debug, Clone)]
pub(crate) struct Paths {
    /// Canonical.
    pub(crate) data_dir: PathBuf,
    hash: [u8; 8],
}

impl Paths {
    /// Fails if the directory does not exist.
    pub(crate) fn of(data_dir: &Path) -> io::Result<Self> {
        let data_dir = data_dir.canonicalize()?;
        let sum = digest(&SHA256, data_dir.as_os_str().as_encoded_bytes());
        let mut hash = [0; 8];
        hash.copy_from_slice(&sum.as_ref()[..8]);
        Ok(Self { data_dir, hash })
    }

    /// Six hexadecimal digits.
    pub(crate) fn instance(&self) -> String {
        self.hash[..3].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// A number that differs from directory to directory.
    pub(crate) fn number(&self) -> u64 {
        u64::from_be_bytes(self.hash)
    }

    pub(crate) fn bridge(&self) -> String {
        format!("rg{}", self.instance())
    }

    /// The host's end of the cable to the dyno in this slot.
    pub(crate) fn link(&self, slot: u16) -> String {
        format!("{}-{slot}", self.bridge())
    }

    pub(crate) fn nft_table(&self) -> String {
        format!("renga_{}", self.instance())
    }

    pub(crate) fn cgroup(&self) -> String {
        format!("renga-{}", self.instance())
    }

    pub(crate) fn run(&self) -> PathBuf {
        self.data_dir.join("run")
    }

    /// A directory that dynos mount their first file system on, each in its
    /// own mount namespace: on the host it stays empty.
    pub(crate) fn scratch(&self) -> PathBuf {
        self.run().join("root")
    }

    pub(crate) fn keeper_socket(&self) -> PathBuf {
        self.run().join("keeper.sock")
    }

    /// Locked by the keeper as long as it lives; holds its process id.
    pub(crate) fn keeper_lock(&self) -> PathBuf {
        self.run().join("keeper.lock")
    }

    pub(crate) fn keeper_log(&self) -> PathBuf {
        self.run().join("keeper.log")
    }

    /// Locked by the server that uses this directory.
    pub(crate) fn server_lock(&self) -> PathBuf {
        self.run().join("runtime.lock")
    }

    /// The subnet that was chosen once.
    pub(crate) fn network_file(&self) -> PathBuf {
        self.data_dir.join("network.json")
    }

    pub(crate) fn mounts(&self) -> PathBuf {
        self.data_dir.join("mounts")
    }

    pub(crate) fn dynos(&self) -> PathBuf {
        self.data_dir.join("dynos")
    }

    pub(crate) fn dyno(&self, id: DynoId) -> PathBuf {
        self.dynos().join(id.to_string())
    }

    /// What the keeper knows of a dyno, for the keeper after it.
    pub(crate) fn record(&self, id: DynoId) -> PathBuf {
        self.dyno(id).join("spec.json")
    }

    /// What the servers of this machine must agree upon, until it restarts.
    pub(crate) fn machine(&self) -> PathBuf {
        PathBuf::from("/run/renga")
    }

    pub(crate) fn make(&self) -> io::Result<()> {
        use std::os::unix::fs::DirBuilderExt;
        let mut private = std::fs::DirBuilder::new();
        private.recursive(true).mode(0o700);
        for dir in [self.run(), self.scratch(), self.mounts(), self.dynos()] {
            private.create(dir)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_the_kernel_and_differ_by_directory() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (one, two) = (Paths::of(one.path()).unwrap(), Paths::of(two.path()).unwrap());
        assert_ne!(one.instance(), two.instance());
        assert!(one.link(4095).len() <= 15);
    }
}
