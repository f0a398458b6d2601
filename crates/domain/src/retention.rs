//! How long old releases can be gone back to: which slugs of an app are kept,
//! and which may be collected.
//!
//! As on Heroku, an artifact goes when it is both old and beyond the newest
//! releases. Here it also goes, old or not, when the app's slugs together are
//! too large; but never what runs, may run, or is among the newest releases.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::{SignedDuration, Timestamp};

use crate::release::{Release, ReleaseState};
use crate::{Digest, ReleaseId, SlugId};

/// What an operator decides about old releases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// The newest so many releases of an app keep their slugs.
    pub releases: u32,
    /// Older ones keep theirs until this long after their last release,
    pub age: SignedDuration,
    /// as long as all slugs of the app together are within this.
    pub bytes: u64,
}

impl Default for Retention {
    /// Heroku's 20 releases and 30 days, and 10 GiB.
    fn default() -> Self {
        Self { releases: 20, age: SignedDuration::from_hours(30 * 24), bytes: 10 << 30 }
    }
}

/// A slug without a release may be about to get one: so long it has time.
const UNRELEASED_FOR: SignedDuration = SignedDuration::from_hours(24);

/// A slug that has not been collected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptSlug {
    pub id: SlugId,
    pub created_at: Timestamp,
}

/// What the blobs are that a slug's image is made of, with their sizes.
pub type SlugParts = HashMap<SlugId, Vec<(Digest, u64)>>;

/// What is known of one app.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// In any order.
    pub releases: Vec<Release>,
    /// In any order.
    pub slugs: Vec<KeptSlug>,
    /// The releases that there are dynos of.
    pub running: HashSet<ReleaseId>,
}

impl Retention {
    /// The slugs that may be collected now, the oldest first. `parts` tells
    /// sizes; a slug that it does not know counts nothing.
    pub fn spent(&self, history: &History, parts: &SlugParts, now: Timestamp) -> Vec<SlugId> {
        let protected = self.protected(history);
        let mut last_release = BTreeMap::<SlugId, Timestamp>::new();
        for release in &history.releases {
            if let Some(slug) = release.slug {
                let last = last_release.entry(slug).or_insert(release.created_at);
                *last = release.created_at.max(*last);
            }
        }
        let mut slugs: Vec<(Timestamp, SlugId, bool)> = Vec::new();
        for slug in &history.slugs {
            let (last, lasts_for) = match last_release.get(&slug.id) {
                Some(last) => (*last, self.age),
                None => (slug.created_at, UNRELEASED_FOR),
            };
            slugs.push((last, slug.id, now.duration_since(last) < lasts_for));
        }
        slugs.sort_by_key(|(last, id, _)| std::cmp::Reverse((*last, *id)));

        let mut counted = HashSet::new();
        let mut size = |slug: SlugId| -> u64 {
            let new = parts.get(&slug).into_iter().flatten().filter(|(digest, _)| counted.insert(*digest));
            new.map(|(_, bytes)| bytes).sum()
        };
        let mut total: u64 = slugs.iter().filter(|(_, id, _)| protected.contains(id)).map(|(_, id, _)| size(*id)).sum();
        let mut spent = Vec::new();
        for (_, id, is_young) in slugs.into_iter().filter(|(_, id, _)| !protected.contains(id)) {
            let is_released = last_release.contains_key(&id);
            // Once one does not fit, none that is older does.
            if is_young && (total <= self.bytes || !is_released) {
                total += size(id);
                if total <= self.bytes || !is_released {
                    continue;
                }
            }
            spent.push(id);
        }
        spent.reverse();
        spent
    }

    /// What is never collected: what runs or may begin to, and the newest.
    fn protected(&self, history: &History) -> HashSet<SlugId> {
        let mut newest_first: Vec<&Release> = history.releases.iter().collect();
        newest_first.sort_by_key(|release| std::cmp::Reverse(release.version));
        let window = usize::try_from(self.releases.max(1)).unwrap_or(usize::MAX);
        let in_window = newest_first.iter().take(window);
        let in_use = newest_first.iter().filter(|release| {
            release.current || release.state == ReleaseState::Pending || history.running.contains(&release.id)
        });
        // The code that the next change of config vars goes on with.
        let with_code = || newest_first.iter().filter(|release| release.slug.is_some());
        let next = with_code().find(|release| release.state != ReleaseState::Failed).or_else(|| with_code().next());
        in_window.chain(in_use).chain(next).filter_map(|release| release.slug).collect()
    }

    /// Of records such as build output: those that are beyond the newest and
    /// old. `newest_first` tells when each was made.
    pub fn spent_records<T>(
        &self,
        newest_first: impl IntoIterator<Item = (T, Timestamp)>,
        now: Timestamp,
    ) -> impl Iterator<Item = T> {
        let (window, age) = (usize::try_from(self.releases.max(1)).unwrap_or(usize::MAX), self.age);
        let old = newest_first.into_iter().skip(window).filter(move |(_, made)| now.duration_since(*made) >= age);
        old.map(|(record, _)| record)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::{AccountId, AppId};

    const DAY_S: i64 = 24 * 3600;

    fn day(day: i64) -> Timestamp {
        Timestamp::from_second(1_767_225_600 + day * DAY_S).unwrap()
    }

    fn slug_id(number: u32) -> SlugId {
        SlugId(Uuid::from_u128(u128::from(number)))
    }

    /// Version `version`, of the slug of that number, made on that day.
    fn release(version: u32, slug: Option<u32>, made: i64, state: ReleaseState) -> Release {
        Release {
            id: ReleaseId(Uuid::from_u128(u128::from(version))),
            app: AppId(Uuid::nil()),
            version,
            slug: slug.map(slug_id),
            user: AccountId(Uuid::nil()),
            description: String::new(),
            state,
            current: false,
            has_phase: false,
            created_at: day(made),
            updated_at: day(made),
        }
    }

    /// One release of a slug of its own each day, the last one current.
    fn daily(days: u32) -> History {
        let mut history = History::default();
        for number in 1..=days {
            history.releases.push(release(number, Some(number), i64::from(number), ReleaseState::Succeeded));
            history.slugs.push(KeptSlug { id: slug_id(number), created_at: day(i64::from(number)) });
        }
        if let Some(last) = history.releases.last_mut() {
            last.current = true;
        }
        history
    }

    fn numbers(slugs: &[SlugId]) -> Vec<u128> {
        slugs.iter().map(|slug| slug.0.as_u128()).collect()
    }

    fn spent(history: &History, retention: Retention, now: i64) -> Vec<u128> {
        numbers(&retention.spent(history, &SlugParts::new(), day(now)))
    }

    const TIGHT: Retention = Retention { releases: 2, age: SignedDuration::ZERO, bytes: u64::MAX };

    #[test]
    fn by_default_what_is_old_and_beyond_twenty_releases_goes() {
        let history = daily(50);
        assert_eq!(spent(&history, Retention::default(), 50), (1..=20).collect::<Vec<u128>>());
        assert_eq!(spent(&history, Retention::default(), 500), (1..=30).collect::<Vec<u128>>());
        assert_eq!(spent(&daily(20), Retention::default(), 500), [0_u128; 0]);
    }

    #[test]
    fn what_is_young_goes_too_when_the_app_is_too_large() {
        let history = daily(5);
        let retention = Retention { releases: 2, bytes: 39, ..Retention::default() };
        let part = |number: u8| (Digest::from_sha256([number; 32]), 10);
        let mut parts = SlugParts::new();
        for number in 1..=5_u8 {
            parts.insert(slug_id(number.into()), vec![part(number)]);
        }
        assert_eq!(numbers(&retention.spent(&history, &parts, day(5))), [1, 2]);
        // Slugs 2 and 3 share what slug 4 holds anyway.
        parts.insert(slug_id(2), vec![part(4)]);
        parts.insert(slug_id(3), vec![part(4)]);
        assert_eq!(numbers(&retention.spent(&history, &parts, day(5))), [0_u128; 0]);
        let none = Retention { bytes: 0, ..retention };
        assert_eq!(numbers(&none.spent(&history, &parts, day(5))), [1, 2, 3], "the newest stay, whatever their size");
    }

    #[test]
    fn what_runs_or_may_run_next_stays_however_old() {
        let mut history = daily(6);
        history.releases[5].current = false;
        history.releases[0].current = true;
        history.releases[1].state = ReleaseState::Pending;
        history.running.insert(history.releases[2].id);
        assert_eq!(spent(&history, TIGHT, 500), [4]);
        let mut failing = daily(4);
        failing.releases[2].state = ReleaseState::Failed;
        failing.releases[3].state = ReleaseState::Failed;
        failing.releases[3].current = false;
        assert_eq!(spent(&failing, Retention { releases: 1, ..TIGHT }, 500), [1, 3], "the next change is of slug 2");
    }

    #[test]
    fn a_rollback_keeps_the_slug_it_went_back_to() {
        let mut history = daily(3);
        history.releases[2].current = false;
        let back = Release { current: true, ..release(4, Some(1), 4, ReleaseState::Succeeded) };
        history.releases.push(back);
        assert_eq!(spent(&history, TIGHT, 500), [2]);
    }

    #[test]
    fn a_slug_without_a_release_has_a_day() {
        let mut history = daily(1);
        history.slugs.push(KeptSlug { id: slug_id(9), created_at: day(1) });
        let none = Retention { bytes: 0, ..TIGHT };
        assert_eq!(spent(&history, none, 1), [0_u128; 0]);
        assert_eq!(spent(&history, none, 2), [9]);
    }

    #[test]
    fn records_go_when_they_are_old_and_beyond_the_newest() {
        let records = || (0..40).rev().map(|number| (number, day(number)));
        let gone: Vec<i64> = Retention::default().spent_records(records(), day(40)).collect();
        assert_eq!(gone, (0..=10).rev().collect::<Vec<i64>>());
    }

    prop_compose! {
        fn any_history()(
            parts in proptest::collection::vec((0..8_u32, 0..60_i64, 0..4_u8, any::<bool>(), any::<bool>()), 1..30),
            current in any::<proptest::sample::Index>(),
        ) -> History {
            let mut history = History::default();
            for (index, (slug, made, state, has_code, runs)) in parts.iter().enumerate() {
                let state = [ReleaseState::Pending, ReleaseState::Failed, ReleaseState::Succeeded, ReleaseState::Succeeded]
                    [usize::from(*state)];
                let slug = has_code.then_some(*slug);
                let release = release(u32::try_from(index).unwrap() + 1, slug, *made, state);
                if *runs && index % 5 == 0 {
                    history.running.insert(release.id);
                }
                history.releases.push(release);
            }
            let current = current.index(history.releases.len());
            history.releases[current].current = true;
            history.slugs = (0..8).map(|number| KeptSlug { id: slug_id(number), created_at: day(0) }).collect();
            history
        }
    }

    proptest! {
        #[test]
        fn nothing_that_can_be_needed_is_ever_spent(
            history in any_history(),
            releases in 0..10_u32,
            age in 0..60_i64,
            bytes in 0..100_u64,
        ) {
            let retention = Retention { releases, age: SignedDuration::from_secs(age * DAY_S), bytes };
            let parts: SlugParts = history.slugs.iter().map(|slug| {
                let number = slug.id.0.as_u128() as u8;
                (slug.id, vec![(Digest::from_sha256([number / 2; 32]), 10), (Digest::from_sha256([100 + number; 32]), 3)])
            }).collect();
            let spent: HashSet<SlugId> = retention.spent(&history, &parts, day(60)).into_iter().collect();
            let last = history.releases.iter().map(|release| release.version).max().unwrap();
            for release in &history.releases {
                let is_new = release.version + releases.max(1) > last;
                let needed = release.current
                    || release.state == ReleaseState::Pending
                    || history.running.contains(&release.id)
                    || is_new;
                if let Some(slug) = release.slug && needed {
                    prop_assert!(!spent.contains(&slug), "v{} has lost its slug", release.version);
                }
            }
            // What is collected once stays so: nothing more is found when it is gone.
            let mut after = history.clone();
            after.slugs.retain(|slug| !spent.contains(&slug.id));
            prop_assert!(retention.spent(&after, &parts, day(60)).is_empty());
        }
    }
}
