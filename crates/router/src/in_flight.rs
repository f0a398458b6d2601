//! How many requests and tunnels are with each app and dyno now.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::{AppId, DynoId};
use tokio::sync::Notify;

#[derive(Default)]
pub(crate) struct InFlight {
    counts: Mutex<Counts>,
    /// Told whenever a dyno has none left.
    emptied: Notify,
}

#[derive(Default)]
struct Counts {
    apps: HashMap<AppId, usize>,
    dynos: HashMap<DynoId, usize>,
}

/// Counts until it is dropped.
pub(crate) struct AppTicket(Arc<InFlight>, AppId);

/// Counts until it is dropped.
pub(crate) struct DynoTicket(Arc<InFlight>, DynoId);

impl InFlight {
    /// `None`: the app has `at_most` already.
    pub(crate) fn enter_app(self: &Arc<Self>, app: AppId, at_most: usize) -> Option<AppTicket> {
        let mut counts = self.counts();
        let count = counts.apps.entry(app).or_default();
        if *count >= at_most {
            return None;
        }
        *count += 1;
        Some(AppTicket(self.clone(), app))
    }

    pub(crate) fn enter_dyno(self: &Arc<Self>, dyno: DynoId) -> DynoTicket {
        *self.counts().dynos.entry(dyno).or_default() += 1;
        DynoTicket(self.clone(), dyno)
    }

    /// Waits until the dyno has none; `false`: it still had some after
    /// `at_most`.
    pub(crate) async fn drained(&self, dyno: DynoId, at_most: Duration) -> bool {
        let empty = async {
            loop {
                let emptied = self.emptied.notified();
                tokio::pin!(emptied);
                // Listening before looking, so that no end is missed.
                emptied.as_mut().enable();
                if !self.counts().dynos.contains_key(&dyno) {
                    return;
                }
                emptied.await;
            }
        };
        tokio::time::timeout(at_most, empty).await.is_ok()
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether none is left.
fn leave<K: Eq + Hash>(counts: &mut HashMap<K, usize>, key: &K) -> bool {
    match counts.get_mut(key) {
        Some(count) if *count > 1 => {
            *count -= 1;
            false
        }
        _ => {
            counts.remove(key);
            true
        }
    }
}

impl Drop for AppTicket {
    fn drop(&mut self) {
        leave(&mut self.0.counts().apps, &self.1);
    }
}

impl Drop for DynoTicket {
    fn drop(&mut self) {
        let emptied = leave(&mut self.0.counts().dynos, &self.1);
        if emptied {
            self.0.emptied.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn drained_waits_for_the_last_one() {
        let in_flight = Arc::new(InFlight::default());
        let dyno = DynoId(uuid::Uuid::from_u128(1));
        assert!(in_flight.drained(dyno, Duration::ZERO).await);
        let (first, second) = (in_flight.enter_dyno(dyno), in_flight.enter_dyno(dyno));
        assert!(!in_flight.drained(dyno, Duration::from_secs(5)).await);
        let waiting = tokio::spawn({
            let in_flight = in_flight.clone();
            async move { in_flight.drained(dyno, Duration::from_secs(60)).await }
        });
        tokio::task::yield_now().await;
        drop(first);
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(second);
        assert!(waiting.await.unwrap());
    }

    #[test]
    fn an_app_has_room_for_so_many_and_again_when_one_leaves() {
        let in_flight = Arc::new(InFlight::default());
        let app = AppId(uuid::Uuid::from_u128(1));
        let ticket = in_flight.enter_app(app, 1);
        assert!(ticket.is_some());
        assert!(in_flight.enter_app(app, 1).is_none());
        drop(ticket);
        assert!(in_flight.enter_app(app, 1).is_some());
    }
}
