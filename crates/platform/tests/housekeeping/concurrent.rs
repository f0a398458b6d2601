//! Builds, releases, rollbacks, destroyed apps and collections, all at once
//! and in an order that a seed decides: whatever can still be needed is there
//! at any time, and in the end nothing else is.

use std::collections::BTreeSet;

use domain::{App, Digest};
use images::{BlobStore, Image};
use jiff::Timestamp;
use store::{NewRelease, Store};
use test_support::TestPlatform;
use tokio::task::JoinHandle;

use crate::support::{app, built, collect, tight};

const BUILDERS: u64 = 4;
const TURNS: usize = 60;
/// Few, so that builds often find what a collection is about to delete.
const LAYERS: u64 = 12;

/// xorshift64*: the same seed, the same choices.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % limit
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whatever_can_be_needed_stays_and_everything_else_goes() {
    let own = std::env::var("RENGA_TEST_SEED").ok().map(|seed| seed.parse().unwrap());
    let random = u64::try_from(Timestamp::now().as_nanosecond() & i128::from(u32::MAX)).unwrap();
    for seed in own.map_or_else(|| vec![1, 2, 3, random], |seed| vec![seed]) {
        eprintln!("RENGA_TEST_SEED={seed}");
        one(seed).await;
    }
}

async fn one(seed: u64) {
    let test = tight().await;
    let mut apps = Vec::new();
    for number in 0..3 {
        apps.push(app(&test, &format!("app-{number}")).await);
    }
    let builders: Vec<_> = (0..BUILDERS)
        .map(|number| {
            let (images, store, apps) = (test.images.clone(), test.store.clone(), apps.clone());
            let user = test.operator.id;
            tokio::spawn(async move {
                let mut dice = Dice(seed * 1000 + number + 1);
                for _ in 0..TURNS {
                    turn(&images, &store, &apps, user, &mut dice).await;
                }
            })
        })
        .collect();
    let mut runs = 0;
    while !builders.iter().all(JoinHandle::is_finished) {
        collect(&test, false).await;
        check_kept(&test).await;
        runs += 1;
    }
    for builder in builders {
        builder.await.unwrap();
    }
    assert!(runs > 1, "collections ran beside the builds: {runs}");

    // Twice, for a slug that was just made without a release has its time.
    let gone = apps.pop().unwrap();
    assert!(test.store.apps().destroy(gone.id).await.unwrap());
    collect(&test, false).await;
    let reachable = check_kept(&test).await;
    let there: BTreeSet<Digest> = test.images.list().unwrap().iter().map(|blob| blob.digest).collect();
    assert_eq!(there, reachable, "seed {seed}");
}

/// One thing that users do.
async fn turn(images: &BlobStore, store: &Store, apps: &[App], user: domain::AccountId, dice: &mut Dice) {
    let app = &apps[usize::try_from(dice.below(apps.len() as u64)).unwrap()];
    if dice.below(4) == 0 {
        return roll_back(images, store, app, user, dice).await;
    }
    let layers: Vec<String> = (0..=dice.below(3)).map(|_| format!("layer {}", dice.below(LAYERS))).collect();
    let slug = built(images, store, app.id, &layers, dice.below(4)).await.unwrap();
    store.releases().deploy(app.id, slug, user, "Deploy", false, Timestamp::now()).await.unwrap();
}

/// To some release that may have expired, or expire at this moment.
async fn roll_back(images: &BlobStore, store: &Store, app: &App, user: domain::AccountId, dice: &mut Dice) {
    let releases = store.releases().list(app.id).await.unwrap();
    let target = &releases[usize::try_from(dice.below(releases.len().min(4) as u64)).unwrap()];
    let Some(slug) = target.slug else { return };
    let config = store.releases().config(target.id).await.unwrap();
    let description = format!("Rollback to v{}", target.version);
    let new = NewRelease { app: app.id, slug: Some(slug), config: &config, user, description, has_phase: false };
    if store.releases().create(new, Timestamp::now()).await.is_ok() {
        let slug = store.slugs().by_id(slug).await.unwrap().unwrap();
        // It may be two releases back again by now; if it is not, it is whole.
        let loaded = Image::load(images, slug.image);
        let now = store.slugs().by_id(slug.id).await.unwrap().unwrap();
        assert!(loaded.is_ok() || now.collected_at.is_some(), "{loaded:?}");
    }
}

/// The blobs of all kept slugs, which are there.
async fn check_kept(test: &TestPlatform) -> BTreeSet<Digest> {
    let mut reachable = BTreeSet::new();
    for slug in test.store.slugs().list_kept().await.unwrap() {
        match Image::load(&test.images, slug.image) {
            Ok(_) => reachable.extend(Image::blobs(&test.images, slug.image).unwrap().iter().map(|blob| blob.digest)),
            Err(error) => {
                let now = test.store.slugs().by_id(slug.id).await.unwrap();
                assert!(now.is_none_or(|now| now.collected_at.is_some()), "slug {}: {error}", slug.id);
            }
        }
    }
    for app in test.store.apps().list_all().await.unwrap() {
        let current = test.store.releases().current(app.id).await.unwrap().unwrap();
        assert!(current.slug.is_none() || current.is_eligible_for_rollback(), "v{} is current", current.version);
    }
    reachable
}
