//! What to do so that the dynos that run become the dynos that are wanted.
//!
//! A pure function: it is told what is wanted, what is there and what time it
//! is, and answers with actions. Applied, they leave nothing to plan until
//! something happens.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::{DynoId, DynoName, DynoSize, DynoState, ProcessType};

/// The formation of an app on its current release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    pub release_version: u32,
    pub processes: Vec<WantedProcess>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedProcess {
    pub process_type: ProcessType,
    pub quantity: u32,
    pub size: DynoSize,
}

/// A dyno of the formation that is there: alive, or crashed and shown until
/// its successor starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    pub id: DynoId,
    pub name: DynoName,
    pub release_version: u32,
    pub size: DynoSize,
    pub state: DynoState,
    /// Someone asked for it to be restarted: it counts as outdated.
    pub replace: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    Start {
        name: DynoName,
        size: DynoSize,
    },
    /// Take it off the router, let it finish what it serves, then SIGTERM.
    Stop {
        id: DynoId,
    },
    /// Forget a crashed dyno.
    Forget {
        id: DynoId,
    },
}

/// Rules:
/// - Each name `type.n` up to the quantity gets one dyno of the wanted release
///   and size.
/// - A web dyno that serves is stopped only when its successor is up, so a
///   release loses no request; if the successor does not come up, the old one
///   goes on serving. Other types are replaced at once: two workers of two
///   releases side by side are harder on an app than a moment without one.
/// - A name that crashed on the wanted release starts again when its wait in
///   `not_before` is over; a new release does not wait.
pub fn plan(
    wanted: Option<&Wanted>,
    observed: &[Observed],
    not_before: &BTreeMap<DynoName, Timestamp>,
    now: Timestamp,
) -> Vec<Action> {
    let mut actions = Vec::new();
    let mut kept: Vec<DynoId> = Vec::new();
    for process in wanted.into_iter().flat_map(|wanted| &wanted.processes) {
        let version = wanted.map_or(0, |wanted| wanted.release_version);
        for number in 1..=process.quantity {
            let name = DynoName { process_type: process.process_type.clone(), number };
            let slot = Slot { name: &name, version, process, observed };
            slot.plan(not_before.get(&name).is_some_and(|start| *start > now), &mut actions, &mut kept);
        }
    }
    for dyno in observed.iter().filter(|dyno| !kept.contains(&dyno.id)) {
        match dyno.state {
            DynoState::Starting | DynoState::Up => actions.push(Action::Stop { id: dyno.id }),
            DynoState::Crashed | DynoState::Down => actions.push(Action::Forget { id: dyno.id }),
            DynoState::Stopping => {}
        }
    }
    actions
}

/// One name of the formation and what bears it.
struct Slot<'a> {
    name: &'a DynoName,
    version: u32,
    process: &'a WantedProcess,
    observed: &'a [Observed],
}

impl Slot<'_> {
    fn plan(&self, must_wait: bool, actions: &mut Vec<Action>, kept: &mut Vec<DynoId>) {
        match self.current() {
            Some(current) => {
                kept.push(current.id);
                if current.state == DynoState::Starting {
                    kept.extend(self.serving_predecessor());
                }
            }
            None => {
                kept.extend(self.serving_predecessor());
                let crashed_here = self.bearers().find(|dyno| self.is_wanted(dyno) && dyno.state == DynoState::Crashed);
                match crashed_here {
                    Some(crashed) if must_wait => kept.push(crashed.id),
                    _ => actions.push(Action::Start { name: self.name.clone(), size: self.process.size }),
                }
            }
        }
    }

    fn bearers(&self) -> impl Iterator<Item = &Observed> {
        self.observed.iter().filter(|dyno| dyno.name == *self.name)
    }

    fn is_wanted(&self, dyno: &Observed) -> bool {
        dyno.release_version == self.version && dyno.size == self.process.size && !dyno.replace
    }

    /// The dyno that is to stay; one that is up before one that starts.
    fn current(&self) -> Option<&Observed> {
        let alive = |state| self.bearers().find(|dyno| self.is_wanted(dyno) && dyno.state == state);
        alive(DynoState::Up).or_else(|| alive(DynoState::Starting))
    }

    fn serving_predecessor(&self) -> Option<DynoId> {
        let serves = |dyno: &&Observed| self.process.process_type.is_web() && dyno.state == DynoState::Up;
        self.bearers().filter(|dyno| !self.is_wanted(dyno)).find(serves).map(|dyno| dyno.id)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn process(process_type: &str, quantity: u32) -> WantedProcess {
        WantedProcess { process_type: process_type.parse().unwrap(), quantity, size: DynoSize::Standard1X }
    }

    fn wanted(version: u32, processes: Vec<WantedProcess>) -> Wanted {
        Wanted { release_version: version, processes }
    }

    fn dyno(id: u128, name: &str, version: u32, state: DynoState) -> Observed {
        Observed {
            id: DynoId(Uuid::from_u128(id)),
            name: name.parse().unwrap(),
            release_version: version,
            size: DynoSize::Standard1X,
            state,
            replace: false,
        }
    }

    /// Actions in short: `+web.1`, `-2` (stop dyno 2), `x3` (forget dyno 3).
    fn planned(wanted: &Wanted, observed: &[Observed]) -> Vec<String> {
        let actions = plan(Some(wanted), observed, &BTreeMap::new(), Timestamp::UNIX_EPOCH);
        actions.iter().map(short).collect()
    }

    fn short(action: &Action) -> String {
        match action {
            Action::Start { name, .. } => format!("+{name}"),
            Action::Stop { id } => format!("-{}", id.0.as_u128()),
            Action::Forget { id } => format!("x{}", id.0.as_u128()),
        }
    }

    use DynoState::{Crashed, Starting, Stopping, Up};

    #[test]
    fn an_empty_machine_gets_the_formation() {
        assert_eq!(
            planned(&wanted(3, vec![process("web", 2), process("worker", 1)]), &[]),
            ["+web.1", "+web.2", "+worker.1"]
        );
    }

    #[test]
    fn a_web_dyno_serves_until_its_successor_is_up() {
        let new = wanted(4, vec![process("web", 1)]);
        assert_eq!(planned(&new, &[dyno(1, "web.1", 3, Up)]), ["+web.1"]);
        assert_eq!(planned(&new, &[dyno(1, "web.1", 3, Up), dyno(2, "web.1", 4, Starting)]), [""; 0]);
        assert_eq!(planned(&new, &[dyno(1, "web.1", 3, Up), dyno(2, "web.1", 4, Up)]), ["-1"]);
    }

    #[test]
    fn a_worker_is_replaced_at_once() {
        assert_eq!(planned(&wanted(4, vec![process("worker", 1)]), &[dyno(1, "worker.1", 3, Up)]), ["+worker.1", "-1"]);
    }

    #[test]
    fn scaling_down_and_vanished_types_stop_dynos() {
        let observed = [dyno(1, "web.1", 3, Up), dyno(2, "web.2", 3, Up), dyno(3, "clock.1", 3, Crashed)];
        assert_eq!(planned(&wanted(3, vec![process("web", 1)]), &observed), ["-2", "x3"]);
    }

    #[test]
    fn a_crashed_name_waits_its_time_unless_the_release_is_new() {
        let now = Timestamp::UNIX_EPOCH;
        let later = now + jiff::Span::new().seconds(5);
        let not_before = BTreeMap::from([("web.1".parse().unwrap(), later)]);
        let crashed = [dyno(1, "web.1", 3, Crashed)];
        let planned = |version, at| -> Vec<String> {
            let wanted = wanted(version, vec![process("web", 1)]);
            plan(Some(&wanted), &crashed, &not_before, at).iter().map(short).collect()
        };
        assert_eq!(planned(3, now), [""; 0]);
        assert_eq!(planned(3, later), ["+web.1", "x1"]);
        assert_eq!(planned(4, now), ["+web.1", "x1"]);
    }

    #[test]
    fn a_stopping_dyno_is_left_to_end() {
        assert_eq!(planned(&wanted(3, vec![]), &[dyno(1, "web.1", 3, Stopping)]), [""; 0]);
    }

    #[test]
    fn a_dyno_to_be_replaced_counts_as_outdated() {
        let mut old = dyno(1, "web.1", 3, Up);
        old.replace = true;
        assert_eq!(planned(&wanted(3, vec![process("web", 1)]), &[old.clone(), dyno(2, "web.1", 3, Up)]), ["-1"]);
        assert_eq!(planned(&wanted(3, vec![process("web", 1)]), &[old]), ["+web.1"]);
    }

    fn any_state() -> impl Strategy<Value = DynoState> {
        prop_oneof![Just(Starting), Just(Up), Just(Stopping), Just(Crashed)]
    }

    fn any_observed() -> impl Strategy<Value = Vec<Observed>> {
        let one = (prop_oneof![Just("web"), Just("worker"), Just("old")], 1..4u32, 2..5u32, any_state(), any::<bool>());
        prop::collection::vec(one, 0..12).prop_map(|dynos| {
            let observed =
                |(index, (kind, number, version, state, replace)): (usize, (&str, u32, u32, DynoState, bool))| {
                    Observed { replace, ..dyno(index as u128 + 1, &format!("{kind}.{number}"), version, state) }
                };
            dynos.into_iter().enumerate().map(observed).collect()
        })
    }

    fn apply(actions: &[Action], version: u32, dynos: &mut Vec<Observed>, next_id: &mut u128) {
        for action in actions {
            match action {
                Action::Start { name, size } => {
                    *next_id += 1;
                    dynos.push(Observed { size: *size, ..dyno(*next_id, &name.to_string(), version, Starting) });
                }
                Action::Stop { id } => {
                    dynos.iter_mut().filter(|dyno| dyno.id == *id).for_each(|dyno| dyno.state = Stopping)
                }
                Action::Forget { id } => dynos.retain(|dyno| dyno.id != *id),
            }
        }
    }

    proptest! {
        #[test]
        fn a_plan_applied_leaves_nothing_to_plan_and_ends_in_what_is_wanted(
            mut dynos in any_observed(), web in 0..4u32, workers in 0..3u32,
        ) {
            let wanted = wanted(4, vec![process("web", web), process("worker", workers)]);
            let none = BTreeMap::new();
            let now = Timestamp::UNIX_EPOCH;
            let mut next_id = 100;
            apply(&plan(Some(&wanted), &dynos, &none, now), 4, &mut dynos, &mut next_id);
            prop_assert_eq!(plan(Some(&wanted), &dynos, &none, now), vec![]);
            // What starts comes up, what stops ends; then the rest is planned.
            for _ in 0..2 {
                dynos.retain(|dyno| dyno.state != Stopping);
                dynos.iter_mut().filter(|dyno| dyno.state == Starting).for_each(|dyno| dyno.state = Up);
                apply(&plan(Some(&wanted), &dynos, &none, now), 4, &mut dynos, &mut next_id);
            }
            dynos.retain(|dyno| dyno.state != Stopping);
            let mut names: Vec<String> = dynos.iter().map(|dyno| dyno.name.to_string()).collect();
            names.sort();
            let mut expected: Vec<String> = (1..=web).map(|n| format!("web.{n}")).chain((1..=workers).map(|n| format!("worker.{n}"))).collect();
            expected.sort();
            prop_assert_eq!(names, expected);
            prop_assert!(dynos.iter().all(|dyno| dyno.release_version == 4 && !dyno.replace));
        }
    }
}
