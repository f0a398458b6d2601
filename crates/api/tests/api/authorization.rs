//! The table of endpoints against those who may not: nothing that demands a
//! role can be had without it.

use api::{Access, EndpointInfo};
use axum::body::Body;
use domain::Secret;
use http::StatusCode;
use serde_json::json;

use crate::harness::{Answer, Client, Server};

/// The path with an app that is there, and other things that are not.
fn path(endpoint: &EndpointInfo) -> String {
    let part = |part: &str| match part {
        "{app}" => "guarded".to_owned(),
        part if part.starts_with('{') => "00000000-0000-4000-8000-000000000000".to_owned(),
        part => part.to_owned(),
    };
    endpoint.path.split('/').map(part).collect::<Vec<_>>().join("/")
}

async fn ask(client: &Client, endpoint: &EndpointInfo) -> Answer {
    client.ask(endpoint.method.clone(), &path(endpoint), Body::from("{}")).await
}

fn needs_a_key(access: Access) -> bool {
    !matches!(access, Access::Open | Access::SecretUrl)
}

#[tokio::test]
async fn without_a_valid_key_nothing_answers_but_what_is_open() {
    let server = Server::start().await;
    server.app("guarded").await;
    let strangers = [
        server.stranger(),
        server.with_key(&Secret::new("HRKU-0123")),
        server.with_authorization("Basic OnNlY3JldA=="),
        server.with_authorization("nonsense"),
    ];
    for endpoint in api::endpoints() {
        for stranger in &strangers {
            let answer = ask(stranger, &endpoint).await;
            match endpoint.access {
                Access::Open => assert_ne!(answer.status, StatusCode::UNAUTHORIZED, "{endpoint:?}"),
                Access::SecretUrl => drop(answer.refused(404, "not_found")),
                _ => drop(answer.refused(401, "unauthorized")),
            }
        }
    }
}

#[tokio::test]
async fn an_expired_key_is_no_key() {
    let server = Server::start().await;
    let now = jiff::Timestamp::now();
    let past = now - jiff::SignedDuration::from_secs(1);
    let keys = server.platform.store.api_keys();
    let (_, key) = keys.create(server.platform.operator.id, "old", Some(past), now).await.unwrap();
    server.with_key(&key).get("/account").await.refused(401, "unauthorized");
}

#[tokio::test]
async fn to_those_outside_an_app_does_not_exist() {
    let server = Server::start().await;
    server.app("guarded").await;
    let (_, key) = server.platform.account("outsider@example.com").await;
    let outsider = server.with_key(&key);
    let of_apps = api::endpoints();
    let of_apps = of_apps.iter().filter(|endpoint| matches!(endpoint.access, Access::Member | Access::Owner));
    for endpoint in of_apps {
        let problem = ask(&outsider, endpoint).await.expect(404);
        assert_eq!((&problem["id"], &problem["resource"]), (&json!("not_found"), &json!("app")), "{endpoint:?}");
    }
    assert_eq!(outsider.get("/apps").await.ok(), json!([]));
    assert!(server.platform.store.apps().by_name(&"guarded".parse().unwrap()).await.unwrap().is_some());
}

#[tokio::test]
async fn a_collaborator_may_use_an_app_but_not_do_what_is_its_owners() {
    let server = Server::start().await;
    let app = server.app("guarded").await;
    let (friend, key) = server.platform.account("friend@example.com").await;
    server.platform.store.collaborators().add(app.id, friend.id, jiff::Timestamp::now()).await.unwrap();
    let friend = server.with_key(&key);
    for endpoint in api::endpoints() {
        match endpoint.access {
            Access::Owner => drop(ask(&friend, &endpoint).await.refused(403, "forbidden")),
            Access::Member => {
                let answer = ask(&friend, &endpoint).await;
                let is_app_hidden = answer.status == StatusCode::NOT_FOUND && answer.json()["resource"] == "app";
                assert!(!is_app_hidden, "{endpoint:?}: {}", answer.text);
                // His own way out comes below; it must not be taken before.
                assert_ne!(answer.status, StatusCode::FORBIDDEN, "{endpoint:?}: {}", answer.text);
            }
            _ => {}
        }
    }
    friend.patch("/apps/guarded", json!({ "name": "stolen" })).await.refused(403, "forbidden");
    friend.patch("/apps/guarded", json!({ "name": "guarded", "maintenance": true })).await.ok();
    server.platform.account("third@example.com").await;
    server.operator().post("/apps/guarded/collaborators", json!({ "user": "third@example.com" })).await.created();
    friend.delete("/apps/guarded/collaborators/third@example.com").await.refused(403, "forbidden");
    friend.delete("/apps/guarded/collaborators/operator@example.com").await.refused(403, "forbidden");
    friend.delete("/apps/guarded/collaborators/friend@example.com").await.ok();
    friend.get("/apps/guarded").await.refused(404, "not_found");
}

#[tokio::test]
async fn only_the_operator_does_what_is_his() {
    let server = Server::start().await;
    let (_, key) = server.platform.account("someone@example.com").await;
    let someone = server.with_key(&key);
    for endpoint in api::endpoints().iter().filter(|endpoint| endpoint.access == Access::Operator) {
        ask(&someone, endpoint).await.refused(403, "forbidden");
    }
    someone.get("/users/operator@example.com").await.refused(404, "not_found");
    someone.get("/users/operator@example.com/apps").await.refused(404, "not_found");
    assert_eq!(server.operator().get("/users/someone@example.com").await.ok()["email"], "someone@example.com");
    server.operator().patch("/users/someone@example.com", json!({ "name": "x" })).await.refused(403, "forbidden");
}

#[tokio::test]
async fn keys_of_others_can_neither_be_seen_nor_ended() {
    let server = Server::start().await;
    let (_, key) = server.platform.account("someone@example.com").await;
    let someone = server.with_key(&key);
    let keys = server.operator().get("/oauth/authorizations").await.ok();
    let path = format!("/oauth/authorizations/{}", keys[0]["id"].as_str().unwrap());
    assert_eq!(someone.get(&path).await.expect(404)["resource"], "authorization");
    someone.delete(&path).await.refused(404, "not_found");
    server.operator().get(&path).await.ok();
    assert!(!keys[0]["access_token"]["token"].as_str().unwrap().contains("HRKU"));
}

#[test]
fn every_endpoint_that_needs_a_key_is_walked_with_none() {
    let guarded = api::endpoints().iter().filter(|endpoint| needs_a_key(endpoint.access)).count();
    assert!(guarded > 80, "only {guarded} endpoints need a key");
}
