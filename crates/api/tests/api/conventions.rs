//! What all endpoints share: ids of requests and problems, versions, limits,
//! ranges, tags.

use axum::body::Body;
use http::Method;
use serde_json::json;

use crate::harness::Server;

#[tokio::test]
async fn problems_have_herokus_ids_and_statuses() {
    let server = Server::start().await;
    let me = server.operator();
    me.get("/nowhere").await.refused(404, "not_found");
    me.put("/account", json!({})).await.refused(405, "method_not_allowed");
    assert!(me.put("/account", json!({})).await.text_of("allow").contains("PATCH"));
    assert_eq!(me.get("/apps/none").await.expect(404)["resource"], "app");
    me.ask(Method::POST, "/apps", Body::from("{")).await.refused(400, "bad_request");
    let message = me.post("/apps", json!({ "name": 5 })).await.refused(422, "invalid_params");
    assert!(message.contains("`name`"), "{message}");
    let message = me.post("/apps", json!({ "name": "No" })).await.refused(422, "invalid_params");
    assert!(message.contains("Name must start with a letter"), "{message}");
    me.post("/apps", json!({ "name": "taken" })).await.created();
    assert_eq!(
        me.post("/apps", json!({ "name": "taken" })).await.refused(422, "invalid_params"),
        "Name taken is already taken"
    );
    let large = Body::from(format!("{{\"name\":\"{}\"}}", "x".repeat(2 << 20)));
    let message = me.ask(Method::POST, "/apps", large).await.refused(413, "request_entity_too_large");
    assert!(message.contains("1048576 bytes"), "{message}");
    me.get("/apps/%ff").await.refused(400, "bad_request");
}

#[tokio::test]
async fn a_request_keeps_the_id_it_came_with() {
    let server = Server::start().await;
    let (first, second) = ("01234567-89ab-cdef-0123-456789abcdef", "11234567-89ab-cdef-0123-456789abcdef");
    let answer = server.operator().header("request-id", &format!("{first},{second}")).get("/account").await;
    assert_eq!(answer.text_of("request-id"), first);
    let answer = server.stranger().header("request-id", first).get("/nowhere").await;
    assert_eq!(answer.text_of("request-id"), first);
    assert_eq!(server.stranger().get("/schema").await.text_of("request-id").len(), 36);
}

#[tokio::test]
async fn any_variant_of_version_3_is_served_and_no_other() {
    let server = Server::start().await;
    for accept in ["application/vnd.heroku+json; version=3", "application/vnd.heroku+json; version=3.sdk", "*/*"] {
        let answer = server.operator().header("accept", accept).get("/account").await;
        answer.ok();
        assert_eq!(answer.text_of("content-type"), "application/json");
    }
    let old = server.operator().header("accept", "application/vnd.heroku+json; version=2");
    old.get("/account").await.refused(406, "not_acceptable");
}

#[tokio::test]
async fn an_account_has_so_many_requests_and_no_more() {
    let server = Server::start_with(|config| config.requests_per_hour = 3).await;
    let me = server.operator();
    for left in ["2", "1", "0"] {
        assert_eq!(me.get("/account").await.text_of("ratelimit-remaining"), left);
    }
    let refused = me.get("/account").await;
    refused.refused(429, "rate_limit");
    assert_eq!(refused.text_of("ratelimit-remaining"), "0");
    assert!(refused.text_of("retry-after").parse::<u32>().unwrap() > 0);
    assert_eq!(me.get("/account/rate-limits").await.ok(), json!({ "remaining": 0 }));
}

#[tokio::test]
async fn what_is_known_already_is_not_sent_again() {
    let server = Server::start().await;
    server.app("tagged").await;
    let me = server.operator();
    let tag = me.get("/apps/tagged").await.text_of("etag").to_owned();
    let again = me.clone().header("if-none-match", &tag).get("/apps/tagged").await;
    assert_eq!((again.status.as_u16(), again.text.as_str()), (304, ""));
    me.patch("/apps/tagged", json!({ "maintenance": true })).await.ok();
    me.header("if-none-match", &tag).get("/apps/tagged").await.ok();
}

#[tokio::test]
async fn lists_come_in_parts_and_in_either_order() {
    let server = Server::start().await;
    server.app("listed").await;
    let me = server.operator();
    for value in ["1", "2", "3"] {
        me.patch("/apps/listed/config-vars", json!({ "A": value })).await.ok();
    }
    let latest = me.clone().header("range", "version ..; order=desc,max=1").get("/apps/listed/releases").await;
    assert_eq!(latest.expect(206)[0]["version"], 4);
    let next = latest.text_of("next-range").to_owned();
    assert_eq!(next, "version ]4..; order=desc, max=1");
    let next = me.clone().header("range", &next).get("/apps/listed/releases").await.expect(206);
    assert_eq!(next[0]["version"], 3);
    let all = me.clone().header("range", "version ..; max=15, order=desc").get("/apps/listed/releases").await.ok();
    let versions: Vec<_> = all.as_array().unwrap().iter().map(|release| release["version"].as_u64().unwrap()).collect();
    assert_eq!(versions, [4, 3, 2, 1]);
    // Sent by one client on every verb.
    me.header("range", "id ..; max=1000").patch("/apps/listed", json!({ "maintenance": true })).await.ok();
}

#[tokio::test]
async fn urls_in_answers_lead_to_where_the_client_reached_us() {
    let server = Server::start().await;
    let app = server.operator().post("/apps", json!({ "name": "reached" })).await.created();
    assert_eq!(app["web_url"], "https://reached.localhost:5000/");
    assert_eq!(app["git_url"], "https://localhost:5000/reached.git");
}

#[tokio::test]
async fn a_client_without_tls_gets_urls_without_it() {
    let server = Server::start().await;
    let app = server.operator().over_http().post("/apps", json!({ "name": "plainly" })).await.created();
    assert_eq!(app["web_url"], "http://plainly.localhost:5000/");
    let odd = server.operator().header("host", "evil@example.com").get("/apps/plainly").await.ok();
    assert_eq!(odd["git_url"], "https://localhost:5000/plainly.git");
}

#[tokio::test]
async fn the_schema_lists_what_is_served() {
    let server = Server::start().await;
    let schema = server.stranger().get("/schema").await.ok();
    let links = schema["definitions"]["app"]["links"].as_array().unwrap();
    assert!(
        links.iter().any(|link| link["method"] == "POST" && link["href"] == "/apps" && link["x-access"] == "account")
    );
}

#[tokio::test]
async fn status_is_green_while_the_store_answers_and_red_when_not() {
    let server = Server::start().await;
    let green = server.stranger().get("/api/v4/current-status").await.ok();
    assert_eq!(green["status"][0], json!({ "system": "Apps", "status": "green" }));
    server.platform.store.close().await;
    let red = server.stranger().get("/api/v4/current-status").await.ok();
    assert_eq!(red["status"][0]["status"], "red");
    let message = server.operator().get("/account").await.refused(500, "internal_server_error");
    assert!(!message.contains("database"), "{message}");
}
