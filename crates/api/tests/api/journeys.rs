//! What the CLI does, command by command, where it takes more than one request
//! or has an odd form.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::Secret;
use serde_json::json;

use crate::harness::Server;

#[tokio::test]
async fn scaling_takes_numbers_text_and_changes() {
    let server = Server::start().await;
    server.deployed("scaled", &[("web", "x"), ("worker", "y")]).await;
    let me = server.operator();
    let scale = async |quantity: serde_json::Value| {
        let body = json!({ "updates": [{ "type": "web", "quantity": quantity }] });
        me.patch("/apps/scaled/formation", body).await.ok()[0]["quantity"].as_u64().unwrap()
    };
    assert_eq!(scale(json!("2")).await, 2);
    assert_eq!(scale(json!("+1")).await, 3);
    assert_eq!(scale(json!("-2")).await, 1);
    assert_eq!(scale(json!(0)).await, 0);
    let body = json!({ "updates": [{ "type": "worker", "quantity": "1", "size": "standard-2x" }] });
    assert_eq!(me.patch("/apps/scaled/formation", body).await.ok()[0]["size"], "Standard-2X");
    let none = json!({ "updates": [{ "type": "clock", "quantity": 1 }] });
    let message = me.patch("/apps/scaled/formation", none).await.refused(422, "invalid_params");
    assert!(message.contains("clock") && message.contains("web"), "{message}");
    let image = json!({ "updates": [{ "type": "web", "docker_image": "sha256:0" }] });
    me.patch("/apps/scaled/formation", image).await.refused(422, "invalid_params");
}

#[tokio::test]
async fn config_vars_make_releases_and_null_removes() {
    let server = Server::start().await;
    server.app("configured").await;
    let me = server.operator();
    assert_eq!(
        me.patch("/apps/configured/config-vars", json!({ "A": "1", "B": "2" })).await.ok(),
        json!({ "A": "1", "B": "2" })
    );
    assert_eq!(me.patch("/apps/configured/config-vars", json!({ "A": null })).await.ok(), json!({ "B": "2" }));
    assert_eq!(me.get("/apps/configured/releases/v2/config-vars").await.ok(), json!({ "A": "1", "B": "2" }));
    let latest = me.get("/apps/configured/releases/3").await.ok();
    assert_eq!((&latest["description"], &latest["current"]), (&json!("Remove A config vars"), &json!(true)));
    assert_eq!(latest["user"]["email"], "operator@example.com");
    let message = me.patch("/apps/configured/config-vars", json!({ "A": 1 })).await.refused(422, "invalid_params");
    assert!(message.contains("`A`"), "{message}");
    let message = me.patch("/apps/configured/config-vars", json!({ "A=B": "1" })).await.refused(422, "invalid_params");
    assert!(message.contains("A=B"), "{message}");
}

#[tokio::test]
async fn a_rollback_is_a_new_release_of_the_old_slug() {
    let server = Server::start().await;
    let app = server.deployed("rolled", &[("web", "old")]).await;
    let slug = server.platform.slug(&app, &[("web", "new")]).await;
    let me = server.operator();
    me.post("/apps/rolled/releases", json!({ "slug": slug, "description": "Second" })).await.created();
    let target = me.get("/apps/rolled/releases/2").await.ok();
    assert_eq!(target["eligible_for_rollback"], true);
    let release = me.post("/apps/rolled/releases", json!({ "release": target["id"] })).await.created();
    assert_eq!((&release["version"], &release["slug"]), (&json!(4), &target["slug"]));
    assert_eq!(release["description"], "Rollback to v2");
    me.post("/apps/rolled/releases", json!({ "release": "1" })).await.refused(422, "invalid_params");
    me.post("/apps/rolled/releases", json!({})).await.refused(422, "invalid_params");
    assert_eq!(me.post("/apps/rolled/releases", json!({ "release": "9" })).await.expect(404)["resource"], "release");
}

#[tokio::test]
async fn an_attached_run_is_told_where_to_meet() {
    let server = Server::start().await;
    server.deployed("runs", &[("web", "x")]).await;
    let me = server.operator();
    let body = json!({ "attach": true, "command": "bash", "env": { "TERM": "xterm", "COLUMNS": 80 }, "size": "basic" });
    let dyno = me.post("/apps/runs/dynos", body).await.created();
    let url = dyno["attach_url"].as_str().unwrap();
    assert!(url.starts_with("rendezvous://localhost:5000/") && url.len() > 50, "{url}");
    assert_eq!((&dyno["type"], &dyno["size"]), (&json!("run"), &json!("Basic")));
    let detached = me.post("/apps/runs/dynos", json!({ "attach": false, "command": "true" })).await.created();
    assert_eq!(detached["attach_url"], json!(null));
    let message = me.post("/apps/runs/dynos", json!({})).await.refused(422, "invalid_params");
    assert!(message.contains("command"), "{message}");
    server.app("empty").await;
    me.post("/apps/empty/dynos", json!({ "command": "true" })).await.refused(409, "conflict");
    assert_eq!(me.get("/apps/runs/dynos/web.77").await.expect(404)["resource"], "dyno");
}

#[tokio::test]
async fn login_makes_a_key_that_logout_ends() {
    let server = Server::start().await;
    server.platform.account("me@example.com").await;
    let login = |password: &str| {
        server.with_authorization(&format!("Basic {}", STANDARD.encode(format!("me@example.com:{password}"))))
    };
    let body = json!({ "description": "Heroku CLI login", "expires_in": 2_592_000, "scope": ["global"] });
    login("wrong").post("/oauth/authorizations", body.clone()).await.refused(401, "unauthorized");
    // A password opens this one endpoint and no other.
    login("correct horse battery staple").get("/account").await.refused(401, "unauthorized");
    let made = login("correct horse battery staple").post("/oauth/authorizations", body).await.created();
    assert_eq!(made["user"]["email"], "me@example.com");
    assert!((2_591_990..=2_592_000).contains(&made["access_token"]["expires_in"].as_i64().unwrap()));
    let key = Secret::new(made["access_token"]["token"].as_str().unwrap());
    let me = server.with_key(&key);
    assert_eq!(me.get("/account").await.ok()["email"], "me@example.com");
    let as_password = server.with_authorization(&format!("Basic {}", STANDARD.encode(format!("x:{}", key.expose()))));
    as_password.get("/account").await.ok();
    // The key of the account itself is none that the CLI may end.
    assert_eq!(me.get("/oauth/authorizations/~").await.expect(404)["resource"], "authorization");
    me.delete("/oauth/sessions/~").await.ok();
    me.get("/account").await.refused(401, "unauthorized");
}

#[tokio::test]
async fn logout_leaves_a_key_without_end_alone() {
    let server = Server::start().await;
    let me = server.operator();
    assert_eq!(me.delete("/oauth/sessions/~").await.expect(404)["resource"], "session");
    me.get("/oauth/authorizations/~").await.ok();
    me.get("/account").await.ok();
}

#[tokio::test]
async fn passwords_can_be_guessed_only_so_often() {
    let server = Server::start_with(|config| config.logins_per_hour = 2).await;
    let login = server.with_authorization(&format!("Basic {}", STANDARD.encode("nobody@example.com:guess")));
    for _ in 0..2 {
        login.post("/oauth/authorizations", json!({})).await.refused(401, "unauthorized");
    }
    login.post("/oauth/authorizations", json!({})).await.refused(429, "rate_limit");
    let other = server.with_authorization(&format!("Basic {}", STANDARD.encode("another@example.com:guess")));
    other.post("/oauth/authorizations", json!({})).await.refused(401, "unauthorized");
}

#[tokio::test]
async fn a_new_account_logs_in_with_its_password_and_changes_it() {
    let server = Server::start().await;
    let made = server.operator().post("/accounts", json!({ "email": "New@example.com" })).await.created();
    assert_eq!(made["email"], "new@example.com");
    server.operator().post("/accounts", json!({ "email": "new@example.com" })).await.refused(422, "invalid_params");
    let login = async |password: &str| {
        let basic = STANDARD.encode(format!("new@example.com:{password}"));
        server.with_authorization(&format!("Basic {basic}")).post("/oauth/authorizations", json!({})).await
    };
    let first = made["one_time_password"].as_str().unwrap();
    let key = login(first).await.created()["access_token"]["token"].as_str().unwrap().to_owned();
    let new = server.with_key(&Secret::new(key));
    let change = |password: &str, new: &str| json!({ "password": password, "new_password": new });
    new.patch("/account", change("wrong", "a better password")).await.refused(422, "invalid_params");
    new.patch("/account", change(first, "short")).await.refused(422, "invalid_params");
    new.patch("/account", change(first, "a better password")).await.ok();
    login(first).await.refused(401, "unauthorized");
    login("a better password").await.created();
}

#[tokio::test]
async fn an_app_is_made_found_renamed_and_destroyed() {
    let server = Server::start().await;
    let me = server.operator();
    let app = me.post("/apps", json!({})).await.created();
    let name = app["name"].as_str().unwrap();
    assert_eq!(name.split('-').count(), 3, "{name}");
    let by_id = format!("/apps/{}", app["id"].as_str().unwrap());
    assert_eq!(me.get(&by_id).await.ok()["name"], name);
    me.post("/apps", json!({ "name": "other", "region": "us", "stack": "heroku-24" })).await.created();
    for wish in
        [json!({ "region": "eu" }), json!({ "stack": "cedar-14" }), json!({ "space": "s" }), json!({ "team": "t" })]
    {
        me.post("/apps", wish).await.refused(422, "invalid_params");
    }
    me.patch(&by_id, json!({ "name": "other" })).await.refused(422, "invalid_params");
    assert_eq!(me.patch(&by_id, json!({ "name": "renamed" })).await.ok()["name"], "renamed");
    me.get(&format!("/apps/{name}")).await.refused(404, "not_found");
    assert_eq!(
        me.patch("/apps/renamed", json!({ "build_stack": "heroku-22" })).await.ok()["build_stack"]["name"],
        "debian-13"
    );
    assert_eq!(me.patch("/apps/renamed", json!({ "maintenance": true })).await.ok()["maintenance"], true);
    assert_eq!(me.delete("/apps/renamed").await.ok()["name"], "renamed");
    me.get(&by_id).await.refused(404, "not_found");
    assert_eq!(me.get("/apps").await.ok().as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn domains_are_unique_and_not_the_platforms_own() {
    let server = Server::start().await;
    server.app("one").await;
    let (_, key) = server.platform.account("other@example.com").await;
    let other = server.with_key(&key);
    other.post("/apps", json!({ "name": "two" })).await.created();
    let me = server.operator();
    let add = |hostname: &str| json!({ "hostname": hostname, "sni_endpoint": null });
    let domain = me.post("/apps/one/domains", add("WWW.Example.com")).await.created();
    assert_eq!((&domain["hostname"], &domain["kind"]), (&json!("www.example.com"), &json!("custom")));
    assert_eq!(domain["cname"], "one.localhost");
    for refused in ["www.example.com", "*.example.com", "two.localhost", "not a name"] {
        other.post("/apps/two/domains", add(refused)).await.refused(422, "invalid_params");
    }
    me.post("/apps/one/domains", add("*.example.com")).await.created();
    let mut all: Vec<String> = me
        .get("/apps/one/domains")
        .await
        .ok()
        .as_array()
        .unwrap()
        .iter()
        .map(|domain| format!("{} {}", domain["kind"].as_str().unwrap(), domain["hostname"].as_str().unwrap()))
        .collect();
    all.sort();
    assert_eq!(all, ["custom *.example.com", "custom www.example.com", "heroku one.localhost"]);
    me.delete("/apps/one/domains/one.localhost").await.refused(422, "invalid_params");
    me.delete("/apps/one/domains/*.example.com").await.ok();
    assert_eq!(me.delete("/apps/one/domains/*.example.com").await.expect(404)["resource"], "domain");
}

#[tokio::test]
async fn buildpacks_are_replaced_as_a_whole() {
    let server = Server::start().await;
    server.app("packed").await;
    let me = server.operator();
    let wish = |names: &[&str]| json!({ "updates": names.iter().map(|name| json!({ "buildpack": name })).collect::<Vec<_>>() });
    let set = me.put("/apps/packed/buildpack-installations", wish(&["heroku/python", "heroku/nodejs"])).await.ok();
    assert_eq!(
        set[0],
        json!({ "ordinal": 0, "buildpack": { "name": "heroku/python", "url": "urn:buildpack:heroku/python" } })
    );
    let listed = me.clone().header("range", "id ..; max=1000").get("/apps/packed/buildpack-installations").await.ok();
    assert_eq!(listed[1]["buildpack"]["name"], "heroku/nodejs");
    me.put("/apps/packed/buildpack-installations", wish(&["a b"])).await.refused(422, "invalid_params");
    me.put("/apps/packed/buildpack-installations", wish(&["heroku/go", "heroku/go"]))
        .await
        .refused(422, "invalid_params");
    assert_eq!(me.put("/apps/packed/buildpack-installations", wish(&[])).await.ok(), json!([]));
    let found = server.stranger().get("/buildpacks/heroku%2Fpython").await.ok();
    assert_eq!(found["blob_url"], "urn:buildpack:heroku/python");
    me.put("/apps/packed/buildpack-installations", json!({ "updates": [{}] })).await.refused(422, "invalid_params");
}

#[tokio::test]
async fn a_buildpack_that_no_build_could_have_is_refused_with_what_was_meant() {
    let server = Server::start().await;
    server.app("packed").await;
    let me = server.operator();
    let set = async |text: &str| {
        let wish = json!({ "updates": [{ "buildpack": text }] });
        me.put("/apps/packed/buildpack-installations", wish).await
    };
    for (text, words) in [
        ("heroku/nodej", "Did you mean heroku/nodejs?"),
        ("heroku/multi-procfile", "Did you mean heroku-community/multi-procfile?"),
        ("acme/qqqq", "`heroku buildpacks:search` lists all names"),
        ("git@github.com:heroku/x.git", "builds have no key for ssh"),
        ("https://", "it must name a host"),
    ] {
        let message = set(text).await.refused(422, "invalid_params");
        assert!(message.contains(words), "{text}: {message}");
    }
    for good in ["heroku-community/apt", "https://git.example.com/x.git#a/b", "https://example.com/x.tgz?y=1", "./mine"]
    {
        set(good).await.ok();
    }
    let packs = json!({ "source_blob": { "url": "x" }, "buildpacks": [{ "name": "heroku/nodej" }] });
    let message = me.post("/apps/packed/builds", packs).await.refused(422, "invalid_params");
    assert!(message.contains("heroku/nodejs"), "{message}");
}

#[tokio::test]
async fn the_registry_of_buildpacks_can_be_searched_and_read() {
    let server = Server::start().await;
    let anyone = server.stranger();
    let found = async |query: &str| {
        let all = anyone.get(&format!("/buildpacks?{query}")).await.ok();
        let names = all.as_array().unwrap().iter();
        names.map(|one| format!("{}/{}", one["namespace"], one["name"]).replace('"', "")).collect::<Vec<_>>()
    };
    assert_eq!(found("in[name][]=node").await, ["heroku/nodejs"]);
    assert_eq!(found("in[namespace][]=heroku-community&like[description]=SITES").await, ["heroku-community/static"]);
    assert!(found("").await.len() > 20);
    assert!(found("in[name][]=cobol").await.is_empty());
    let apt = anyone.get("/buildpacks/heroku-community%2Fapt").await.ok();
    assert_eq!((&apt["source"]["owner"], &apt["support"]["method"]), (&json!("heroku"), &json!("github")));
    let versions = anyone.get("/buildpacks/heroku-community%2Fapt/revisions").await.ok();
    assert_eq!(versions[0]["release"], "the default branch");
    assert_eq!(anyone.get("/buildpacks/heroku%2Fgo/readme").await.ok()["encoding"], "base64");
    anyone.get("/buildpacks/acme%2Fcobol/revisions").await.refused(404, "not_found");
    let absent = anyone.get("/buildpacks/acme%2Fcobol").await.expect(404);
    assert_eq!(absent["blob_url"], "urn:buildpack:acme/cobol", "so that setting it can say what was meant");
}

#[tokio::test]
async fn features_are_switched_unless_they_are_how_things_work() {
    let server = Server::start().await;
    server.app("featured").await;
    let me = server.operator();
    let path = "/apps/featured/features/runtime-dyno-metadata";
    assert_eq!(me.get(path).await.ok()["enabled"], false);
    assert_eq!(me.patch(path, json!({ "enabled": true })).await.ok()["enabled"], true);
    let by_id = format!("/apps/featured/features/{}", me.get(path).await.ok()["id"].as_str().unwrap());
    assert_eq!(me.get(&by_id).await.ok()["enabled"], true);
    me.patch("/apps/featured/features/preboot", json!({ "enabled": true })).await.ok();
    me.patch("/apps/featured/features/preboot", json!({ "enabled": false })).await.refused(422, "invalid_params");
    me.get("/apps/featured/features/none").await.refused(404, "not_found");
}

#[tokio::test]
async fn drains_are_found_by_id_url_and_token() {
    let server = Server::start().await;
    server.app("drained").await;
    let me = server.operator();
    let add = json!({ "url": "syslog+tls://logs.example.com:6514" });
    let drain = me.post("/apps/drained/log-drains", add.clone()).await.created();
    assert!(drain["token"].as_str().unwrap().starts_with("d."));
    me.post("/apps/drained/log-drains", add).await.refused(422, "invalid_params");
    me.post("/apps/drained/log-drains", json!({ "url": "file:///etc/passwd" })).await.refused(422, "invalid_params");
    for identity in [
        drain["id"].as_str().unwrap(),
        drain["token"].as_str().unwrap(),
        "syslog%2Btls%3A%2F%2Flogs.example.com%3A6514",
    ] {
        assert_eq!(me.get(&format!("/apps/drained/log-drains/{identity}")).await.ok()["id"], drain["id"]);
    }
}

#[tokio::test]
async fn collaborators_are_accounts_that_exist() {
    let server = Server::start().await;
    server.app("shared").await;
    server.platform.account("friend@example.com").await;
    let me = server.operator();
    me.post("/apps/shared/collaborators", json!({ "user": "nobody@example.com" })).await.refused(422, "invalid_params");
    me.post("/apps/shared/collaborators", json!({ "user": "operator@example.com" }))
        .await
        .refused(422, "invalid_params");
    me.post("/apps/shared/collaborators", json!({ "user": "Friend@example.com", "silent": true })).await.created();
    me.post("/apps/shared/collaborators", json!({ "user": "friend@example.com" })).await.refused(422, "invalid_params");
    let roles = me.get("/apps/shared/collaborators").await.ok();
    let mut roles: Vec<&str> =
        roles.as_array().unwrap().iter().map(|member| member["role"].as_str().unwrap()).collect();
    roles.sort_unstable();
    assert_eq!(roles, ["collaborator", "owner"]);
    me.delete("/apps/shared/collaborators/operator@example.com").await.refused(422, "invalid_params");
}

#[tokio::test]
async fn a_build_wants_a_source_of_ours() {
    let server = Server::start().await;
    server.app("built").await;
    let me = server.operator();
    let build = |url: &str| json!({ "source_blob": { "url": url } });
    me.post("/apps/built/builds", build("http://169.254.169.254/latest")).await.refused(422, "invalid_params");
    me.post("/apps/built/builds", build("https://localhost:5000/sources/none")).await.refused(404, "not_found");
    me.post("/apps/built/builds", json!({})).await.refused(422, "invalid_params");
    let packs = json!({ "source_blob": { "url": "x" }, "buildpacks": [{ "url": "no buildpack" }] });
    me.post("/apps/built/builds", packs).await.refused(422, "invalid_params");
}
