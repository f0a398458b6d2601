//! Which user ids the dynos of this server have, so that those of no other
//! server on the machine have the same.
//!
//! The upper half of all ids, where no distribution allots any, falls into
//! ranges of 65,536, one per dyno, and these into blocks of 512. A server
//! claims a block when it needs one, by a file in `/run/renga/ids`: all is
//! forgotten with the machine's restart, as the dynos are.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::paths::Paths;

/// Dynos whose ranges lie in one block.
const BLOCK: u16 = 512;
/// All but the last, which holds the id that means none.
const BLOCKS: u16 = 63;

pub(crate) struct Ids {
    folder: PathBuf,
    data_dir: PathBuf,
    /// Where this server begins to look.
    first: u16,
    /// Blocks by part: part n is of the slots from n * 512 on.
    mine: Mutex<HashMap<u16, u16>>,
}

impl Ids {
    pub(crate) fn of(paths: &Paths) -> Self {
        Self::in_folder(paths.machine().join("ids"), paths)
    }

    fn in_folder(folder: PathBuf, paths: &Paths) -> Self {
        let first = (paths.number() % u64::from(BLOCKS)) as u16;
        Self { folder, data_dir: paths.data_dir.clone(), first, mine: Mutex::default() }
    }

    /// The first of the 65,536 user ids of the dyno in this slot. Fails if
    /// other servers have all blocks.
    pub(crate) fn first_id(&self, slot: u16) -> io::Result<u32> {
        let part = slot / BLOCK;
        let mut mine = self.mine.lock().unwrap_or_else(PoisonError::into_inner);
        let block = match mine.get(&part) {
            Some(block) => *block,
            None => {
                let block = self.claim(part)?;
                mine.insert(part, block);
                block
            }
        };
        let range = u32::from(block) * u32::from(BLOCK) + u32::from(slot % BLOCK);
        Ok((1 << 31) + (range << 16))
    }

    /// The block that is this server's already, or a free one.
    fn claim(&self, part: u16) -> io::Result<u16> {
        let _lock = self.lock()?;
        let wanted = format!("{part} {}", self.data_dir.display());
        let in_order = || (0..BLOCKS).map(|further| (self.first + further) % BLOCKS);
        for block in in_order() {
            if self.claimed(block)?.as_deref() == Some(&wanted) {
                return Ok(block);
            }
        }
        for block in in_order() {
            let owner = self.claimed(block)?;
            let is_gone = |claim: &str| claim.split_once(' ').is_none_or(|(_, path)| !Path::new(path).exists());
            if owner.is_none_or(|claim| is_gone(&claim)) {
                let new = self.folder.join("new");
                fs::write(&new, &wanted)?;
                fs::rename(new, self.file(block))?;
                return Ok(block);
            }
        }
        Err(io::Error::other(
            "other servers of this machine have all user ids; `renga down` gives back those of one that is not needed",
        ))
    }

    /// Gives all blocks back: no dyno is left.
    pub(crate) fn release(&self) -> io::Result<()> {
        if !self.folder.is_dir() {
            return Ok(());
        }
        let _lock = self.lock()?;
        for block in 0..BLOCKS {
            let claim = self.claimed(block)?;
            if claim
                .is_some_and(|claim| claim.split_once(' ').is_some_and(|(_, path)| Path::new(path) == self.data_dir))
            {
                fs::remove_file(self.file(block))?;
            }
        }
        Ok(())
    }

    fn file(&self, block: u16) -> PathBuf {
        self.folder.join(block.to_string())
    }

    fn claimed(&self, block: u16) -> io::Result<Option<String>> {
        match fs::read_to_string(self.file(block)) {
            Ok(claim) => Ok(Some(claim)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn lock(&self) -> io::Result<File> {
        fs::create_dir_all(&self.folder)?;
        let lock = File::create(self.folder.join("lock"))?;
        lock.lock()?;
        Ok(lock)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn server(folder: &Path) -> (tempfile::TempDir, Ids) {
        let data_dir = tempfile::tempdir().unwrap();
        let ids = Ids::in_folder(folder.to_owned(), &Paths::of(data_dir.path()).unwrap());
        (data_dir, ids)
    }

    #[test]
    fn servers_share_no_id_and_keep_theirs() {
        let machine = tempfile::tempdir().unwrap();
        let servers: Vec<_> = (0..4).map(|_| server(machine.path())).collect();
        let mut all = BTreeSet::new();
        for (_, ids) in &servers {
            for slot in (0..4092).step_by(11) {
                let first = ids.first_id(slot).unwrap();
                assert!(first >= 1 << 31 && first.checked_add(65_535).is_some_and(|last| last < u32::MAX));
                assert!(all.insert(first), "slot {slot}");
            }
        }
        let (data_dir, ids) = &servers[2];
        let again = Ids::in_folder(machine.path().to_owned(), &Paths::of(data_dir.path()).unwrap());
        assert_eq!(again.first_id(700).unwrap(), ids.first_id(700).unwrap());
    }

    #[test]
    fn blocks_are_few_and_come_back() {
        let machine = tempfile::tempdir().unwrap();
        let mut servers: Vec<_> = (0..BLOCKS).map(|_| server(machine.path())).collect();
        for (_, ids) in &servers {
            ids.first_id(0).unwrap();
        }
        let (_late, late) = server(machine.path());
        assert!(late.first_id(0).is_err());
        // One is brought down, the directory of another is deleted.
        servers[0].1.release().unwrap();
        late.first_id(0).unwrap();
        assert!(late.first_id(512).is_err());
        servers.pop();
        late.first_id(512).unwrap();
    }
}
