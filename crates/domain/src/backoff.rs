//! How long to wait before a crashed dyno is started again.

use std::time::Duration;

/// The wait before the next start after `crashes` crashes in a row (1 = the
/// first). Heroku's shape: the first restart comes at once, then the wait
/// doubles. Theirs starts at 20 minutes; ours starts at 5 seconds and ends at
/// 10 minutes, so that an app that waits for its database is soon back.
pub fn crash_wait(crashes: u32) -> Duration {
    const FIRST_S: u64 = 5;
    const LONGEST_S: u64 = 600;
    match crashes {
        0 | 1 => Duration::ZERO,
        more => Duration::from_secs((FIRST_S << (more - 2).min(16)).min(LONGEST_S)),
    }
}

/// A dyno that stayed up this long has left its earlier crashes behind.
pub const CRASHES_FORGOTTEN_AFTER: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_restart_is_at_once_and_later_ones_wait_twice_as_long() {
        let waits: Vec<u64> = (1..=10).map(|crashes| crash_wait(crashes).as_secs()).collect();
        assert_eq!(waits, [0, 5, 10, 20, 40, 80, 160, 320, 600, 600]);
        assert_eq!(crash_wait(u32::MAX).as_secs(), 600);
    }
}
