//! A dyno: one isolated process of one release, and its lifecycle.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;

use crate::{AppId, DynoId, DynoSize, ProcessType, ReleaseId};

/// `web.1`, `run.4859`: what people call a dyno.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DynoName {
    pub process_type: ProcessType,
    pub number: u32,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a dyno name such as web.1")]
pub struct InvalidDynoName(String);

impl fmt::Display for DynoName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.process_type, self.number)
    }
}

impl FromStr for DynoName {
    type Err = InvalidDynoName;

    fn from_str(text: &str) -> Result<Self, InvalidDynoName> {
        let invalid = || InvalidDynoName(text.chars().take(80).collect());
        let (process_type, number) = text.split_once('.').ok_or_else(invalid)?;
        Ok(Self {
            process_type: process_type.parse().map_err(|_| invalid())?,
            number: number.parse().map_err(|_| invalid())?,
        })
    }
}

/// Where a dyno is in its life. `Down` and `Crashed` are ends: what follows a
/// crash is another dyno of the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DynoState {
    Starting,
    Up,
    /// SIGTERM was sent; SIGKILL follows after the grace.
    Stopping,
    /// It ended without being asked to, or never bound its port.
    Crashed,
    /// It ended as asked, or it was a one-off that ran to its end.
    Down,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DynoEvent {
    /// A web dyno listens on its port; another's process runs.
    Ready,
    StopAsked,
    /// The first process ended.
    Exited,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a dyno that is {state:?} can't take {event:?}")]
pub struct DynoRefused {
    pub state: DynoState,
    pub event: DynoEvent,
}

impl DynoState {
    /// The only way from one state to the next. `one_off`: its exit is its aim.
    pub fn after(self, event: DynoEvent, one_off: bool) -> Result<Self, DynoRefused> {
        use DynoEvent::{Exited, Ready, StopAsked};
        match (self, event) {
            (Self::Starting, Ready) => Ok(Self::Up),
            (Self::Starting | Self::Up | Self::Stopping, StopAsked) => Ok(Self::Stopping),
            (Self::Starting | Self::Up, Exited) => Ok(if one_off { Self::Down } else { Self::Crashed }),
            (Self::Stopping, Exited) => Ok(Self::Down),
            (state, event) => Err(DynoRefused { state, event }),
        }
    }

    pub const fn is_alive(self) -> bool {
        matches!(self, Self::Starting | Self::Up | Self::Stopping)
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Up => "up",
            Self::Stopping => "stopping",
            Self::Crashed => "crashed",
            Self::Down => "down",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dyno {
    pub id: DynoId,
    pub app: AppId,
    pub name: DynoName,
    pub command: String,
    pub release: ReleaseId,
    pub release_version: u32,
    pub size: DynoSize,
    pub state: DynoState,
    pub created_at: Timestamp,
    /// When it came to its state.
    pub updated_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn dyno_names_are_type_and_number() {
        let name: DynoName = "my-worker.12".parse().unwrap();
        assert_eq!((name.process_type.as_str(), name.number), ("my-worker", 12));
        assert_eq!(name.to_string(), "my-worker.12");
        for bad in ["web", "web.", ".1", "web.x", "web.1.2", "web.-1"] {
            assert!(bad.parse::<DynoName>().is_err(), "{bad}");
        }
    }

    fn any_event() -> impl Strategy<Value = DynoEvent> {
        prop_oneof![Just(DynoEvent::Ready), Just(DynoEvent::StopAsked), Just(DynoEvent::Exited)]
    }

    proptest! {
        #[test]
        fn no_sequence_of_events_revives_a_dead_dyno(events in prop::collection::vec(any_event(), 0..20), one_off: bool) {
            let mut state = DynoState::Starting;
            for event in events {
                let was_alive = state.is_alive();
                if let Ok(next) = state.after(event, one_off) {
                    prop_assert!(was_alive);
                    state = next;
                } else {
                    prop_assert!(!was_alive || event == DynoEvent::Ready);
                }
            }
        }
    }
}
