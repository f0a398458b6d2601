//! Every endpoint is visited once, and its answer held against the schema by
//! the harness.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use axum::body::Body;
use http::Method;
use serde_json::json;
use test_support::Script;

use crate::harness::{Server, endpoint};
use crate::schema::Schema;

const SSH_KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMTt9OTEztwE/ncJLnCd7Y8A0+nZnaw74U+lCeG0+RsL me@laptop";

#[tokio::test]
async fn every_endpoint_answers_as_the_published_schema_says() {
    let server = Server::start_with(|config| config.authority_pem = Some("a certificate".to_owned())).await;
    let authority = server.stranger().get("/renga/authority.pem").await;
    assert_eq!((authority.status.as_u16(), authority.text.as_str()), (200, "a certificate"));
    let me = server.operator();
    server.deployed("first", &[("web", "node server.js"), ("worker", "node work.js")]).await;

    accounts(&server).await;
    for list in [
        "/addons",
        "/addon-attachments",
        "/addon-services",
        "/users/~/addons",
        "/account/app-transfers",
        "/account/invoices",
        "/account/features",
        "/enterprise-accounts",
        "/oauth/clients",
        "/pipelines",
        "/pipeline-couplings",
        "/spaces",
        "/teams",
        "/users/~/pipeline-couplings",
        "/apps/first/addons",
        "/apps/first/addon-attachments",
        "/apps/first/sni-endpoints",
        "/apps/first/telemetry-drains",
        "/apps/first/webhooks",
        "/apps/first/webhook-deliveries",
        "/apps/first/webhook-events",
    ] {
        assert_eq!(me.get(list).await.ok(), json!([]), "{list}");
    }
    for (path, resource) in
        [("/apps/first/pipeline-couplings", "pipeline_coupling"), ("/account/features/x", "feature")]
    {
        assert_eq!(me.get(path).await.expect(404)["resource"], resource, "{path}");
    }
    me.patch("/account/features/x", json!({ "enabled": true })).await.refused(404, "not_found");
    assert_eq!(me.get("/apps/first/usage").await.ok(), json!({ "addons": [] }));
    me.get("/apps/first/features/runtime-heroku-exec").await.refused(501, "not_implemented");
    for list in [
        "/apps",
        "/users/~/apps",
        "/stacks",
        "/generations",
        "/regions",
        "/dyno-sizes",
        "/apps/first/available-stacks",
        "/apps/first/available-dyno-sizes",
        "/apps/first/features",
        "/apps/first/formation",
    ] {
        assert!(!me.get(list).await.ok().as_array().unwrap().is_empty(), "{list}");
    }
    for one in [
        "/apps/first",
        "/stacks/host",
        "/generations/cedar",
        "/regions/us",
        "/dyno-sizes/standard-1x",
        "/apps/first/formation/web",
        "/apps/first/features/runtime-dyno-metadata",
        "/apps/first/releases/1",
        "/apps/first/config-vars",
        "/apps/first/releases/1/config-vars",
        "/schema",
        "/buildpacks",
        "/buildpacks/heroku%2Fnodejs",
        "/buildpacks/heroku%2Fnodejs/readme",
        "/buildpacks/heroku%2Fnodejs/revisions",
        "/api/v4/current-status",
        "/renga/disk",
    ] {
        me.get(one).await.ok();
    }
    me.patch("/apps/first/features/runtime-dyno-metadata", json!({ "enabled": true })).await.ok();
    me.patch("/apps/first/config-vars", json!({ "A": "b" })).await.ok();
    me.patch("/apps/first", json!({ "maintenance": true })).await.ok();
    me.patch("/apps/first/formation", json!({ "updates": [{ "type": "worker", "quantity": 1 }] })).await.ok();
    me.patch("/apps/first/formation/worker", json!({ "quantity": 0 })).await.ok();

    hangers_on(&server).await;
    releases_and_dynos(&server).await;
    sources_and_builds(&server).await;
    housekeeping(&server).await;
    me.delete("/apps/first").await.ok();

    let all: BTreeSet<(String, &str)> =
        api::endpoints().iter().map(|endpoint| (endpoint.method.to_string(), endpoint.path)).collect();
    let missed: Vec<_> = all.difference(&server.visited()).cloned().collect();
    assert!(missed.is_empty(), "no test visits {missed:#?}");
}

/// A client of Heroku's never learns that it erred where the platform lacks something.
#[tokio::test]
async fn every_endpoint_of_the_published_schema_is_there_or_said_to_be_missing() {
    let server = Server::start().await;
    server.app("first").await;
    let Some(schema) = Schema::load() else { return };
    for (method, path) in schema.links() {
        let path = path.replacen("/apps/*", "/apps/first", 1).replace('*', "x");
        if endpoint(&method, &path).is_none() {
            let message = server.operator().ask(method, &path, Body::from("{}")).await.refused(501, "not_implemented");
            assert!(message.contains("not on this platform yet"), "{path}: {message}");
        }
    }
}

/// The lines of an answer that comes line by line.
fn lines(answer: &crate::harness::Answer) -> Vec<serde_json::Value> {
    assert_eq!(answer.text_of("content-type"), "application/x-ndjson");
    answer.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

async fn housekeeping(server: &Server) {
    let me = server.operator();
    for dry_run in [true, false] {
        let kinds = lines(&me.post("/renga/gc", json!({ "dry_run": dry_run })).await);
        assert_eq!(kinds.len(), 8, "{kinds:?}");
        assert!(kinds.iter().all(|kind| kind["items"].is_u64() && kind.get("problem").is_none()), "{kinds:?}");
    }
    let last = lines(&me.post("/renga/keys/rotate", json!({})).await).pop().unwrap();
    assert_eq!((&last["left"], last["dropped"].as_array().map(Vec::len)), (&json!(0), Some(1)), "{last}");
    assert!(last["resealed"].as_u64().unwrap() > 0, "{last}");
    me.get("/apps/first/config-vars").await.ok();
}

async fn accounts(server: &Server) {
    let me = server.operator();
    me.get("/account").await.ok();
    me.patch("/account", json!({ "name": "Bashō" })).await.ok();
    me.get("/account/rate-limits").await.ok();
    me.get("/users/~").await.ok();
    me.patch("/users/~", json!({ "name": null })).await.ok();
    me.post("/accounts", json!({ "email": "new@example.com" })).await.created();
    let made = me.post("/oauth/authorizations", json!({ "scope": ["global"], "expires_in": 60 })).await.created();
    let id = made["id"].as_str().unwrap();
    me.get("/oauth/authorizations").await.ok();
    me.get(&format!("/oauth/authorizations/{id}")).await.ok();
    me.patch(&format!("/oauth/authorizations/{id}"), json!({ "description": "Laptop" })).await.ok();
    me.post(&format!("/oauth/authorizations/{id}/actions/regenerate-tokens"), json!({})).await.created();
    me.delete(&format!("/oauth/authorizations/{id}")).await.ok();

    server.platform.account("visitor@example.com").await;
    let visitor = server.with_password("visitor@example.com", "correct horse battery staple");
    let made = visitor.post("/oauth/authorizations", json!({ "expires_in": 60 })).await.created();
    let visitor = server.with_key(&domain::Secret::new(made["access_token"]["token"].as_str().unwrap()));
    assert_eq!(visitor.get("/oauth/sessions").await.ok()[0]["id"], made["id"]);
    visitor.delete("/oauth/sessions/~").await.ok();
    me.delete("/users/visitor@example.com").await.ok();
    let (_, key) = server.platform.account("leaver@example.com").await;
    server.with_key(&key).delete("/account").await.ok();
    browser_login(server).await;

    let key = json!({ "public_key": SSH_KEY });
    let added = me.post("/account/keys", key.clone()).await.created();
    assert_eq!((&added["comment"], &added["email"]), (&json!("me@laptop"), &json!("operator@example.com")));
    me.post("/account/keys", key).await.refused(422, "invalid_params");
    me.post("/account/keys", json!({ "public_key": "ssh-rsa AAAA" })).await.refused(422, "invalid_params");
    let path = format!("/account/keys/{}", added["id"].as_str().unwrap());
    assert_eq!(me.get("/account/keys").await.ok(), json!([added]));
    assert_eq!(me.get(&path).await.ok(), added);
    me.delete(&path).await.ok();
    me.delete(&path).await.refused(404, "not_found");
}

async fn browser_login(server: &Server) {
    let stranger = server.stranger();
    let begun = stranger.post("/auth", json!({ "description": "A laptop" })).await.created();
    let page = begun["browser_url"].as_str().unwrap();
    assert!(stranger.get(page).await.text.contains("A laptop"));
    let refused = stranger.submit(page, "action=refuse").await;
    assert_eq!(refused.status, 200, "{}", refused.text);
    let outcome = stranger.get(begun["cli_url"].as_str().unwrap()).await.ok();
    assert_eq!(outcome["error"], "The login was refused in the browser.");
}

async fn hangers_on(server: &Server) {
    let me = server.operator();
    server.platform.account("friend@example.com").await;
    let friend = me.post("/apps/first/collaborators", json!({ "user": "friend@example.com" })).await.created();
    me.get("/apps/first/collaborators").await.ok();
    me.get(&format!("/apps/first/collaborators/{}", friend["id"].as_str().unwrap())).await.ok();
    me.delete("/apps/first/collaborators/friend@example.com").await.ok();

    me.post("/apps/first/domains", json!({ "hostname": "www.example.com", "sni_endpoint": null })).await.created();
    me.get("/apps/first/domains").await.ok();
    me.get("/apps/first/domains/www.example.com").await.ok();
    me.patch("/apps/first/domains/www.example.com", json!({ "sni_endpoint": null })).await.ok();
    me.delete("/apps/first/domains/www.example.com").await.ok();

    let drain = me.post("/apps/first/log-drains", json!({ "url": "https://logs.example.com/a?b" })).await.created();
    me.get("/apps/first/log-drains").await.ok();
    me.get("/apps/first/log-drains/https%3A%2F%2Flogs.example.com%2Fa%3Fb").await.ok();
    me.delete(&format!("/apps/first/log-drains/{}", drain["token"].as_str().unwrap())).await.ok();

    let wish = json!({ "updates": [{ "buildpack": "heroku/nodejs" }, { "buildpack": "https://example.com/b.git" }] });
    me.put("/apps/first/buildpack-installations", wish).await.ok();
    me.get("/apps/first/buildpack-installations").await.ok();

    let session = me.post("/apps/first/log-sessions", json!({ "lines": 500 })).await.created();
    let url = session["logplex_url"].as_str().unwrap().strip_prefix("https://localhost:5000").unwrap();
    let read = server.stranger().get(url).await;
    assert!(read.text.contains("app[api]: Release v1 created by user operator@example.com\n"), "{}", read.text);
}

async fn releases_and_dynos(server: &Server) {
    let me = server.operator();
    server.platform.runtime.script(|spec| match spec.command.last().map(String::as_str) {
        Some("migrate") => Script::Exits { code: 0, output: String::new() },
        _ => Script::Runs,
    });
    let with_phase = server.deployed("phased", &[("web", "x"), ("release", "migrate")]).await;
    let releases = me.get("/apps/phased/releases").await.ok();
    let output = releases[1]["output_stream_url"].as_str().expect("it has a release phase").to_owned();
    let output = output.strip_prefix("https://localhost:5000").unwrap();
    // It is not found until the release command has begun.
    let mut tries = 0;
    while server.stranger().get(output).await.status != 200 {
        tries += 1;
        assert!(tries < 1000, "the release command does not begin");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let slug = server.platform.slug(&with_phase, &[("web", "y")]).await;
    me.get(&format!("/apps/phased/slugs/{slug}")).await.ok();

    let run = me.post("/apps/first/dynos", json!({ "command": "bash", "attach": true })).await.created();
    me.get("/apps/first/dynos?extended=true").await.ok();
    me.get(&format!("/apps/first/dynos/{}", run["id"].as_str().unwrap())).await.ok();
    let named = format!("/apps/first/dynos/{}", run["name"].as_str().unwrap());
    me.post(&format!("{named}/actions/stop"), json!({})).await.expect(202);
    let run = me.post("/apps/first/dynos", json!({ "command": "sleep 1", "type": "worker" })).await.created();
    me.delete(&format!("/apps/first/dynos/{}", run["name"].as_str().unwrap())).await.expect(202);
    me.post("/apps/first/dynos", json!({ "command": "sleep 1", "type": "worker" })).await.created();
    me.delete("/apps/first/formations/worker").await.expect(202);
    me.post("/apps/first/dynos", json!({ "command": "sleep 1", "type": "worker" })).await.created();
    me.post("/apps/first/formations/worker/actions/stop", json!({})).await.expect(202);
    me.delete("/apps/first/dynos").await.expect(202);
}

async fn sources_and_builds(server: &Server) {
    let me = server.operator();
    server.platform.runtime.script(|_| Script::Exits { code: 1, output: String::new() });
    me.post("/apps/first/sources", json!({})).await.created();
    let source = me.post("/sources", json!({})).await.created();
    let url = source["source_blob"]["put_url"].as_str().unwrap().strip_prefix("https://localhost:5000").unwrap();
    let put = server.stranger().stream(Method::PUT, url, Body::from("not a tarball")).await;
    assert_eq!(put.status(), 200);
    let put = server.stranger().ask(Method::PUT, url, Body::from("tarball")).await;
    assert_eq!((put.status.as_u16(), put.text.as_str()), (200, ""));
    assert_eq!(server.stranger().get(url).await.text, "tarball");

    let body = json!({ "source_blob": { "url": source["source_blob"]["get_url"], "version": "abc" } });
    let build = me.post("/apps/first/builds", body).await.created();
    assert_eq!(build["status"], "pending");
    let output = build["output_stream_url"].as_str().unwrap().strip_prefix("https://localhost:5000").unwrap();
    server.stranger().get(output).await; // ends with the build
    let path = format!("/apps/first/builds/{}", build["id"].as_str().unwrap());
    assert_eq!(me.get(&path).await.ok()["status"], "failed");
    assert_eq!(me.get("/apps/first/builds").await.ok().as_array().unwrap().len(), 1);
    me.delete(&path).await.refused(409, "conflict");

    me.delete("/apps/first/build-cache").await.ok();

    // A build that goes on is ended by asking. Only root can make its disk.
    if std::fs::metadata("/proc/self").unwrap().uid() != 0 {
        eprintln!("skipped: a build goes on for root only, so there is none to cancel");
        return server.skip("DELETE", "/apps/{app}/builds/{build}");
    }
    server.platform.runtime.script(|_| Script::Runs);
    let body = json!({ "source_blob": { "url": source["source_blob"]["get_url"] } });
    let build = me.post("/apps/first/builds", body).await.created();
    let path = format!("/apps/first/builds/{}", build["id"].as_str().unwrap());
    me.delete(&path).await.ok();
    let output = build["output_stream_url"].as_str().unwrap().strip_prefix("https://localhost:5000").unwrap();
    assert!(server.stranger().get(output).await.text.contains("cancelled"));
}
