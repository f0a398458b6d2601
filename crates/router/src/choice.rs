//! Which dyno gets a request, decided on one state of the table.

use std::sync::Arc;

use domain::DynoId;
use rand::seq::IteratorRandom;
use tokio::time::Instant;

use crate::in_flight::{DynoTicket, InFlight};
use crate::quarantine::Quarantine;
use crate::{AppRoute, AppState, Backend, Code};

pub(crate) enum Choice {
    /// This one, already counted as busy.
    Dyno(Backend, DynoTicket),
    /// None will ever do as things are.
    Fail(Code),
    /// A dyno is starting: wait for another table.
    Starting,
    /// All that were not tried yet are quarantined, the first until then.
    Quarantined(Instant),
    /// All have been tried.
    Exhausted,
}

/// Chooses at random among the dynos that were not `tried` and are not
/// quarantined. To be called while the table can't be replaced: whoever
/// removes a dyno from the table and then looks for what is in flight must
/// see the ticket.
pub(crate) fn choose(route: &AppRoute, tried: &[DynoId], quarantine: &Quarantine, in_flight: &Arc<InFlight>) -> Choice {
    let backends = match &route.state {
        AppState::Maintenance => return Choice::Fail(Code::H80),
        AppState::Blank => return Choice::Fail(Code::H81),
        AppState::NoWebDynos => return Choice::Fail(Code::H14),
        AppState::Crashed => return Choice::Fail(Code::H10),
        AppState::Starting => return Choice::Starting,
        AppState::Serving(backends) if backends.is_empty() => return Choice::Starting,
        AppState::Serving(backends) => backends,
    };
    let mut first_free: Option<Instant> = None;
    let free = backends.iter().filter(|backend| !tried.contains(&backend.dyno)).filter(|backend| {
        let until = quarantine.until_for(backend.dyno);
        first_free = match (first_free, until) {
            (Some(first), Some(until)) => Some(first.min(until)),
            (first, until) => first.or(until),
        };
        until.is_none()
    });
    match free.choose(&mut rand::rng()) {
        Some(backend) => Choice::Dyno(backend.clone(), in_flight.enter_dyno(backend.dyno)),
        None => first_free.map_or(Choice::Exhausted, Choice::Quarantined),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::time::Duration;

    use domain::AppId;
    use uuid::Uuid;

    use super::*;

    fn route(dynos: u16) -> AppRoute {
        let backends = (1..=dynos).map(|number| Backend {
            dyno: DynoId(Uuid::from_u128(number.into())),
            name: format!("web.{number}").parse().unwrap(),
            address: ([127, 0, 0, 1], number).into(),
        });
        AppRoute {
            app: AppId(Uuid::nil()),
            name: "shop".parse().unwrap(),
            domains: Vec::new(),
            state: AppState::Serving(backends.collect()),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn every_free_dyno_is_chosen_and_no_other() {
        let (quarantine, in_flight) = (Quarantine::default(), Arc::new(InFlight::default()));
        let until = Instant::now() + Duration::from_secs(5);
        quarantine.put(DynoId(Uuid::from_u128(1)), until);
        let tried = [DynoId(Uuid::from_u128(2))];
        let chosen: HashSet<u16> = (0..200)
            .filter_map(|_| match choose(&route(4), &tried, &quarantine, &in_flight) {
                Choice::Dyno(backend, _) => Some(backend.address.port()),
                _ => None,
            })
            .collect();
        assert_eq!(chosen, HashSet::from([3, 4]));
        assert!(matches!(choose(&route(2), &tried, &quarantine, &in_flight), Choice::Quarantined(at) if at == until));
        quarantine.put(tried[0], until);
        let both = [tried[0], DynoId(Uuid::from_u128(1))];
        assert!(matches!(choose(&route(2), &both, &quarantine, &in_flight), Choice::Exhausted));
    }
}
