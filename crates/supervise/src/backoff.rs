//! How long to wait before the next try.

use std::time::Duration;

/// Waits that double from `first` up to `longest`, each spread over the upper
/// half of its length, so that many who failed at the same moment do not all
/// come back at the same moment.
///
/// ```
/// use std::time::Duration;
/// use supervise::Backoff;
///
/// let mut always_half = || 0.5;
/// let mut backoff = Backoff::with_random(Duration::from_secs(1), Duration::from_secs(5), &mut always_half);
/// let waits: Vec<u128> = (0..4).map(|_| backoff.next_wait().as_millis()).collect();
/// assert_eq!(waits, [750, 1500, 3000, 3750]);
/// backoff.reset();
/// assert_eq!(backoff.next_wait().as_millis(), 750);
/// ```
#[derive(Debug, Clone)]
pub struct Backoff<R = fn() -> f64> {
    first: Duration,
    longest: Duration,
    failures: u32,
    random: R,
}

impl Backoff {
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self::with_random(first, longest, rand::random::<f64>)
    }
}

impl<R: FnMut() -> f64> Backoff<R> {
    /// `random` gives numbers from 0 up to, but not including, 1.
    pub fn with_random(first: Duration, longest: Duration, random: R) -> Self {
        Self { first, longest, failures: 0, random }
    }

    /// The wait after one more failure.
    pub fn next_wait(&mut self) -> Duration {
        let full = self.first.saturating_mul(1 << self.failures.min(30)).min(self.longest);
        self.failures = self.failures.saturating_add(1);
        full.mul_f64(0.5 + (self.random)().clamp(0.0, 1.0) / 2.0)
    }

    /// It went well: the next failure is the first again.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_stay_within_their_halves_however_often_it_fails() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(10));
        for failures in 0..100u32 {
            let full = Duration::from_millis(100).saturating_mul(1 << failures.min(20)).min(Duration::from_secs(10));
            let wait = backoff.next_wait();
            assert!(wait >= full / 2 && wait <= full, "{failures}: {wait:?}");
        }
    }
}
