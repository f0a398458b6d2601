//! Dynos that lately refused a connection, left alone for a while.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use domain::DynoId;
use tokio::time::Instant;

#[derive(Default)]
pub(crate) struct Quarantine {
    /// Usually zero: then no lock is taken.
    count: AtomicUsize,
    until: Mutex<HashMap<DynoId, Instant>>,
}

impl Quarantine {
    pub(crate) fn put(&self, dyno: DynoId, until: Instant) {
        let mut map = self.until();
        let now = Instant::now();
        map.retain(|_, until| *until > now);
        map.insert(dyno, until);
        self.count.store(map.len(), Ordering::Release);
    }

    /// When the dyno may be tried again; `None`: now.
    pub(crate) fn until_for(&self, dyno: DynoId) -> Option<Instant> {
        if self.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        let mut map = self.until();
        let until = *map.get(&dyno)?;
        if until > Instant::now() {
            return Some(until);
        }
        map.remove(&dyno);
        self.count.store(map.len(), Ordering::Release);
        None
    }

    fn until(&self) -> MutexGuard<'_, HashMap<DynoId, Instant>> {
        self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_dyno_comes_back_when_its_time_is_over() {
        let quarantine = Quarantine::default();
        let dyno = DynoId(uuid::Uuid::from_u128(1));
        let until = Instant::now() + Duration::from_secs(5);
        quarantine.put(dyno, until);
        assert_eq!(quarantine.until_for(dyno), Some(until));
        assert_eq!(quarantine.until_for(DynoId(uuid::Uuid::from_u128(2))), None);
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(quarantine.until_for(dyno), None);
        assert_eq!(quarantine.count.load(Ordering::Acquire), 0);
    }
}
