//! Who works on which repository: turns for deploys, and sweeping up.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::repository::sweep;

/// All repositories that were pushed to since the start.
#[derive(Default)]
pub(crate) struct Workplaces(Mutex<HashMap<PathBuf, Arc<Workplace>>>);

impl Workplaces {
    pub(crate) fn of(&self, repository: &Path) -> Arc<Workplace> {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(Workplace::new(repository.to_owned()));
        Arc::clone(places.entry(repository.to_owned()).or_insert_with(new))
    }
}

/// One repository. The first to enter, and the last to leave after a git was
/// killed, removes what killed ones left behind.
pub(crate) struct Workplace {
    repository: PathBuf,
    turns: Arc<tokio::sync::Mutex<()>>,
    at_work: Mutex<AtWork>,
}

struct AtWork {
    count: usize,
    /// A git may have been killed here: at first, by the server's own end.
    littered: bool,
}

impl Workplace {
    fn new(repository: PathBuf) -> Self {
        let at_work = Mutex::new(AtWork { count: 0, littered: true });
        Self { repository, turns: Arc::default(), at_work }
    }

    /// Blocks on the disk while sweeping.
    pub(crate) fn enter(self: &Arc<Self>) -> io::Result<Work> {
        let mut at_work = self.at_work();
        self.sweep_if_alone(&mut at_work)?;
        at_work.count += 1;
        Ok(Work { place: Arc::clone(self) })
    }

    fn at_work(&self) -> MutexGuard<'_, AtWork> {
        self.at_work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sweep_if_alone(&self, at_work: &mut AtWork) -> io::Result<()> {
        if at_work.count == 0 && at_work.littered {
            sweep(&self.repository)?;
            at_work.littered = false;
        }
        Ok(())
    }
}

/// Someone at work in a repository, until dropped.
pub(crate) struct Work {
    place: Arc<Workplace>,
}

impl Work {
    /// One deploy at a time.
    pub(crate) fn turns(&self) -> Arc<tokio::sync::Mutex<()>> {
        Arc::clone(&self.place.turns)
    }

    /// A git was killed and may have left something.
    pub(crate) fn litter(&self) {
        self.place.at_work().littered = true;
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        let mut at_work = self.place.at_work();
        at_work.count -= 1;
        if let Err(error) = self.place.sweep_if_alone(&mut at_work) {
            // Tried again by the next one to enter.
            tracing::warn!(path = %self.place.repository.display(), %error, "Could not sweep up after a push");
        }
    }
}
