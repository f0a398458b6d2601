//! What a deploy does to the formation and the app, and scaling.

use domain::DynoSize;
use domain::formation::Quantity;
use store::{FormationChange, UpdateFormationError};

use crate::support::{Home, at, changes, home};

async fn deploy(store: &Home, app: &domain::App, process_types: &[(&str, &str)], second: i64) {
    let slug = store.slug(app, process_types).await;
    store.releases().deploy(app.id, slug.id, app.owner, "Deploy", false, at(second)).await.unwrap();
}

fn wish(process_type: &str, quantity: Option<Quantity>, size: Option<DynoSize>) -> FormationChange {
    FormationChange { process_type: process_type.parse().unwrap(), quantity, size }
}

#[tokio::test]
async fn the_first_deploy_starts_one_web_and_later_ones_keep_what_was_scaled() {
    let store = home().await;
    let app = store.app("one").await;
    deploy(&store, &app, &[("web", "v1"), ("worker", "w1"), ("release", "migrate")], 10).await;
    assert_eq!(store.formation_text(&app).await, "release=0 web=1 worker=0");
    let scale = [
        wish("web", Some(Quantity::Exactly(3)), Some(DynoSize::Standard2X)),
        wish("worker", Some(Quantity::More(2)), None),
    ];
    store.formation().update(app.id, &scale, at(11)).await.unwrap();

    deploy(&store, &app, &[("web", "v2"), ("clock", "tick")], 12).await;
    assert_eq!(store.formation_text(&app).await, "clock=0 web=3");
    let web = store.formation().by_type(app.id, &"web".parse().unwrap()).await.unwrap().unwrap();
    assert_eq!((web.command.as_str(), web.size, web.updated_at), ("v2", DynoSize::Standard2X, at(12)));

    deploy(&store, &app, &[("web", "v2"), ("worker", "w1")], 13).await;
    assert_eq!(store.formation_text(&app).await, "web=3 worker=0");
    let unchanged = store.formation().by_type(app.id, &"web".parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(unchanged, web);
}

#[tokio::test]
async fn a_web_that_comes_with_a_later_deploy_waits_to_be_scaled() {
    let store = home().await;
    let app = store.app("one").await;
    deploy(&store, &app, &[("worker", "w")], 10).await;
    deploy(&store, &app, &[("worker", "w"), ("web", "w")], 11).await;
    assert_eq!(store.formation_text(&app).await, "web=0 worker=0");
}

#[tokio::test]
async fn going_live_notes_stack_size_and_time_on_the_app() {
    let store = home().await;
    let app = store.app("one").await;
    store.apps().set_build_stack(app.id, "host", at(5)).await.unwrap();
    store
        .releases()
        .with_config_change(app.id, &changes(&[("A", Some("1"))]), app.owner, "Set A", at(6))
        .await
        .unwrap();
    assert_eq!(store.apps().by_id(app.id).await.unwrap().unwrap().released_at, None, "no code, nothing live");
    deploy(&store, &app, &[("web", "v1")], 10).await;
    let live = store.apps().by_id(app.id).await.unwrap().unwrap();
    assert_eq!((live.stack.as_str(), live.build_stack.as_str()), ("debian-13", "host"));
    assert_eq!((live.slug_size_bytes, live.released_at), (Some(4096), Some(at(10))));
    assert_eq!(live.buildpack_provided_description.as_deref(), Some("Node.js"));
}

#[tokio::test]
async fn scaling_is_all_or_nothing_and_counts_from_what_is_there() {
    let store = home().await;
    let app = store.app("one").await;
    deploy(&store, &app, &[("web", "v1"), ("worker", "w")], 10).await;
    let twice = [wish("web", Some(Quantity::More(1)), None), wish("web", Some(Quantity::More(1)), Some(DynoSize::Eco))];
    let changed = store.formation().update(app.id, &twice, at(11)).await.unwrap();
    assert_eq!(changed.len(), 1);
    assert_eq!((changed[0].quantity, changed[0].size, changed[0].updated_at), (3, DynoSize::Eco, at(11)));
    let unknown = [wish("worker", Some(Quantity::Exactly(5)), None), wish("clock", Some(Quantity::Exactly(1)), None)];
    let refused = store.formation().update(app.id, &unknown, at(12)).await;
    assert!(matches!(refused, Err(UpdateFormationError::NoSuchType(name)) if name.as_str() == "clock"));
    let many = [wish("worker", Some(Quantity::Exactly(5)), None), wish("web", Some(Quantity::More(98)), None)];
    assert!(matches!(
        store.formation().update(app.id, &many, at(12)).await,
        Err(UpdateFormationError::InvalidQuantity(_))
    ));
    assert_eq!(store.formation_text(&app).await, "web=3 worker=0");
    assert_eq!(store.formation().list_all().await.unwrap(), store.formation().list(app.id).await.unwrap());
}

#[tokio::test]
async fn of_scalings_at_the_same_time_all_count() {
    let store = home().await;
    let app = store.app("one").await;
    deploy(&store, &app, &[("web", "v1")], 10).await;
    let steps = (0..40).map(|_| {
        let (store, app) = (store.store.clone(), app.id);
        tokio::spawn(async move {
            store.formation().update(app, &[wish("web", Some(Quantity::More(1)), None)], at(11)).await
        })
    });
    for step in futures::future::join_all(steps).await {
        step.unwrap().unwrap();
    }
    assert_eq!(store.formation_text(&app).await, "web=41");
}
