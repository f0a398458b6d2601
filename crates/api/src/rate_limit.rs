//! How many requests an account may make: a bucket each, which refills evenly.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use domain::{AccountId, Email};

use crate::problem::Refusal;

/// Buckets that are kept; beyond that the full ones are forgotten.
const MOST_BUCKETS: usize = 10_000;

pub(crate) struct Limits {
    requests: Buckets<AccountId>,
    logins: Buckets<Email>,
}

impl Limits {
    pub(crate) fn new(requests_per_hour: u32, logins_per_hour: u32) -> Self {
        Self { requests: Buckets::new(requests_per_hour), logins: Buckets::new(logins_per_hour) }
    }

    /// One request of the account; returns how many are left. A `free` one is
    /// not counted.
    pub(crate) fn take(&self, account: AccountId, free: bool) -> Result<u32, Refusal> {
        let cost = if free { 0.0 } else { 1.0 };
        self.requests.take(account, cost, Instant::now()).map_err(|wait_s| {
            let message =
                format!("Your account reached the API rate limit. Please wait {wait_s} s before making new requests.");
            Refusal::rate_limited(message, wait_s).with_remaining(0)
        })
    }

    pub(crate) fn take_login(&self, email: &Email) -> Result<(), Refusal> {
        match self.logins.take(email.clone(), 1.0, Instant::now()) {
            Ok(_) => Ok(()),
            Err(wait_s) => {
                let message = format!("Too many logins were tried. Please wait {wait_s} s.");
                Err(Refusal::rate_limited(message, wait_s))
            }
        }
    }
}

struct Buckets<K> {
    per_hour: u32,
    levels: Mutex<HashMap<K, Level>>,
}

#[derive(Clone, Copy)]
struct Level {
    left: f64,
    at: Instant,
}

impl<K: Eq + Hash + Clone> Buckets<K> {
    fn new(per_hour: u32) -> Self {
        Self { per_hour, levels: Mutex::default() }
    }

    /// Takes `cost` out; returns what is left, or the seconds to wait.
    fn take(&self, key: K, cost: f64, now: Instant) -> Result<u32, u64> {
        let full = f64::from(self.per_hour);
        let per_second = full / 3600.0;
        let refilled =
            |level: &Level| (level.left + now.saturating_duration_since(level.at).as_secs_f64() * per_second).min(full);
        let mut levels = self.levels.lock().unwrap_or_else(PoisonError::into_inner);
        if levels.len() >= MOST_BUCKETS && !levels.contains_key(&key) {
            levels.retain(|_, level| refilled(level) < full);
            // Under attack with ever new keys: the one left alone for longest makes room.
            if levels.len() >= MOST_BUCKETS
                && let Some(oldest) = levels.iter().min_by_key(|(_, level)| level.at).map(|(key, _)| key.clone())
            {
                levels.remove(&oldest);
            }
        }
        let level = levels.entry(key).or_insert(Level { left: full, at: now });
        let left = refilled(level);
        *level = Level { left, at: now };
        if left < cost {
            return Err(((cost - left) / per_second).ceil() as u64);
        }
        level.left = left - cost;
        Ok(level.left as u32)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_bucket_empties_and_refills_evenly() {
        let buckets = Buckets::new(3600);
        let start = Instant::now();
        for left in (0..3600).rev() {
            assert_eq!(buckets.take("me", 1.0, start), Ok(left));
        }
        assert_eq!(buckets.take("me", 1.0, start), Err(1));
        assert_eq!(buckets.take("me", 0.0, start), Ok(0));
        assert_eq!(buckets.take("you", 1.0, start), Ok(3599));
        assert_eq!(buckets.take("me", 1.0, start + Duration::from_secs(2)), Ok(1));
    }

    #[test]
    fn full_buckets_are_forgotten_when_there_are_too_many() {
        let buckets = Buckets::new(10);
        let start = Instant::now();
        for key in 0..MOST_BUCKETS {
            buckets.take(key, 1.0, start).unwrap();
        }
        let later = start + Duration::from_secs(3600);
        buckets.take(MOST_BUCKETS, 1.0, later).unwrap();
        assert_eq!(buckets.levels.lock().unwrap().len(), 1);
    }
}
