//! Waiting for what happens in another process: bounded, and with the reason
//! why it did not happen.

use std::time::{Duration, Instant};

/// The end of someone's patience.
#[derive(Debug, Clone, Copy)]
pub struct Deadline(Instant);

impl Deadline {
    pub fn after(patience: Duration) -> Self {
        Self(Instant::now() + patience)
    }

    pub fn remaining(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    pub fn is_over(self) -> bool {
        self.remaining().is_zero()
    }
}

/// Asks again and again until the answer is `Ok`, for another process can't
/// wake us. The last answer is the error when patience ends.
pub fn eventually<T>(patience: Duration, mut ask: impl FnMut() -> anyhow::Result<T>) -> anyhow::Result<T> {
    const PAUSE: Duration = Duration::from_millis(20);
    let deadline = Deadline::after(patience);
    loop {
        match ask() {
            Ok(answer) => return Ok(answer),
            Err(error) if deadline.is_over() => return Err(error.context(format!("not within {patience:?}"))),
            Err(_) => std::thread::sleep(PAUSE),
        }
    }
}
