//! How long the phases of a build take.

use std::time::{Duration, Instant};

use crate::request::Phase;

/// Phases and how long each took, told by a clock that never goes back.
pub(crate) struct Timings {
    since: Instant,
    pub(crate) phases: Vec<(Phase, Duration)>,
}

impl Timings {
    pub(crate) fn start() -> Self {
        Self { since: Instant::now(), phases: Vec::new() }
    }

    pub(crate) fn end(&mut self, phase: Phase) {
        self.phases.push((phase, self.since.elapsed()));
        self.since = Instant::now();
    }

    pub(crate) fn text(&self) -> String {
        let phases = self.phases.iter().map(|(phase, took)| format!("{phase} {} ms", took.as_millis()));
        phases.collect::<Vec<_>>().join(", ")
    }
}
