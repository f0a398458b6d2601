//! A platform that keeps little, and what tests do with it.

use domain::account::Account;
use domain::{ApiKeyId, App, AppId, Retention, SlugId};
use images::{Image, LAYER_MEDIA_TYPE, Layer, NewImage};
use jiff::{SignedDuration, Timestamp};
use platform::{Caller, Found, Garbage, GcEvent};
use store::{NewSlug, Store};
use test_support::TestPlatform;

/// Two releases and nothing more.
pub(crate) const TIGHT: Retention = Retention { releases: 2, age: SignedDuration::ZERO, bytes: u64::MAX };

pub(crate) async fn tight() -> TestPlatform {
    TestPlatform::start_with(|settings| settings.disk.retention = TIGHT).await
}

pub(crate) fn caller(account: &Account) -> Caller {
    Caller { account: account.clone(), key: ApiKeyId(uuid::Uuid::nil()) }
}

pub(crate) async fn app(test: &TestPlatform, name: &str) -> App {
    test.platform.apps().create(&caller(&test.operator), Some(name.parse().unwrap()), None).await.unwrap()
}

/// What a build leaves: an image of these layers, and its slug. Others get
/// their turn so many times between any two steps.
pub(crate) async fn built(
    images: &images::BlobStore,
    store: &Store,
    app: AppId,
    layers: &[String],
    yields: u64,
) -> Result<SlugId, store::StoreError> {
    let hold = images.hold();
    let mut made = Vec::new();
    for content in layers {
        let blob = hold.put_bytes(content.as_bytes()).unwrap();
        pause(yields).await;
        made.push(Layer {
            digest: blob.digest,
            size_bytes: blob.size_bytes,
            media_type: LAYER_MEDIA_TYPE.to_owned(),
            path: "app".to_owned(),
        });
    }
    let new = NewImage { layers: made, stack: "host".to_owned(), process_types: Default::default() };
    let image = Image::create(&hold, new).unwrap();
    pause(yields).await;
    let new = NewSlug {
        app,
        image: image.manifest,
        process_types: image.process_types.clone(),
        commit: None,
        commit_description: None,
        buildpack_provided_description: None,
        stack: image.stack.clone(),
        size_bytes: image.size_bytes(),
    };
    Ok(store.slugs().create(new, Timestamp::now()).await?.id)
}

async fn pause(yields: u64) {
    for _ in 0..yields {
        tokio::task::yield_now().await;
    }
}

pub(crate) async fn deployed(test: &TestPlatform, app: &App, layers: &[&str]) -> SlugId {
    let layers: Vec<String> = layers.iter().map(|layer| (*layer).to_owned()).collect();
    let slug = built(&test.images, &test.store, app.id, &layers, 0).await.unwrap();
    let releases = test.store.releases();
    releases.deploy(app.id, slug, test.operator.id, "Deploy", false, Timestamp::now()).await.unwrap();
    slug
}

/// A whole run; fails if anything could not be collected.
pub(crate) async fn collect(test: &TestPlatform, dry_run: bool) -> Vec<Found> {
    let mut events = test.platform.housekeeping().collect(dry_run).await.unwrap();
    let mut found = Vec::new();
    while let Some(event) = events.recv().await {
        match event {
            GcEvent::Collected(one) => found.push(one),
            GcEvent::Problem { kind, reason } => panic!("{}: {reason}", kind.name()),
        }
    }
    found
}

pub(crate) fn of(found: &[Found], kind: Garbage) -> Found {
    *found.iter().find(|found| found.kind == kind).unwrap()
}
