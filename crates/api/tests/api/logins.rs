//! Logins: by a browser, with a one-time password, and the end of an account.

use domain::Secret;
use http::StatusCode;
use serde_json::{Value, json};

use crate::harness::Server;

/// Begins a login; returns the paths of its page and of its outcome.
async fn begin(server: &Server) -> (String, String) {
    let begun =
        server.stranger().post("/auth", json!({ "description": "Heroku CLI login from laptop" })).await.created();
    let text = |name: &str| begun[name].as_str().unwrap().to_owned();
    (text("browser_url"), text("cli_url"))
}

fn key(answer: &Value) -> Secret {
    Secret::new(answer["access_token"].as_str().unwrap())
}

#[tokio::test]
async fn who_signs_in_on_the_page_gives_the_waiting_client_a_session() {
    let server = Server::start().await;
    server.platform.account("me@example.com").await;
    let (page, outcome) = begin(&server).await;
    let stranger = server.stranger();
    let shown = stranger.get(&page).await;
    assert!(shown.text.contains("Heroku CLI login from laptop"), "{}", shown.text);
    assert!(shown.text_of("content-security-policy").contains("frame-ancestors 'none'"));
    let (waiting, wrong) = (stranger.get(&outcome), stranger.submit(&page, "email=me%40example.com&password=guess"));
    let sign_in = async {
        let wrong = wrong.await;
        assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(wrong.text.contains("There is no account with this") && wrong.text.contains("me@example.com"));
        let form = "email=me%40example.com&password=correct+horse+battery+staple&action=sign-in";
        let done = stranger.submit(&page, form).await;
        assert!(done.status == StatusCode::OK && done.text.contains("goes on as me@example.com"), "{}", done.text);
    };
    let (answer, ()) = tokio::join!(waiting, sign_in);
    let me = server.with_key(&key(&answer.ok()));
    assert_eq!(me.get("/account").await.ok()["email"], "me@example.com");
    assert_eq!(me.get("/oauth/sessions").await.ok()[0]["description"], "Heroku CLI login from laptop");
    // Page and outcome are good for one login.
    stranger.get(&page).await.refused(404, "not_found");
    stranger.get(&outcome).await.refused(404, "not_found");
}

#[tokio::test]
async fn passwords_can_be_guessed_on_the_page_only_so_often() {
    let server = Server::start_with(|config| config.logins_per_hour = 1).await;
    let (page, _) = begin(&server).await;
    let guess = "email=me%40example.com&password=guess";
    assert_eq!(server.stranger().submit(&page, guess).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    server.stranger().submit(&page, guess).await.refused(429, "rate_limit");
}

#[tokio::test]
async fn a_one_time_password_is_replaced_at_the_first_login_by_a_browser() {
    let server = Server::start().await;
    let made = server.operator().post("/accounts", json!({ "email": "new@example.com" })).await.created();
    let password = made["one_time_password"].as_str().unwrap();
    // Without a page to ask on, it is said.
    let login = server.with_password("new@example.com", password);
    let by_password = login.post("/oauth/authorizations", json!({})).await;
    assert!(by_password.text_of("x-heroku-warning").contains("choose one of your own"));

    let (page, outcome) = begin(&server).await;
    let form = |new: &str| format!("email=new%40example.com&password={password}&new_password={new}");
    for refused in [form(""), form("short"), form(password)] {
        let again = server.stranger().submit(&page, &refused).await;
        assert_eq!(again.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(again.text.contains("name=\"new_password\""), "{}", again.text);
    }
    assert_eq!(server.stranger().submit(&page, &form("of+my+own+choice")).await.status, StatusCode::OK);
    server.with_key(&key(&server.stranger().get(&outcome).await.ok())).get("/account").await.ok();

    login.post("/oauth/authorizations", json!({})).await.refused(401, "unauthorized");
    let own = server.with_password("new@example.com", "of my own choice");
    let by_password = own.post("/oauth/authorizations", json!({})).await;
    by_password.created();
    assert!(!by_password.headers.contains_key("x-heroku-warning"));
}

#[tokio::test]
async fn a_deleted_account_is_gone_but_what_it_did_stays() {
    let server = Server::start().await;
    let app = server.app("shared").await;
    let (friend, key) = server.platform.account("friend@example.com").await;
    server.platform.store.collaborators().add(app.id, friend.id, jiff::Timestamp::now()).await.unwrap();
    let friend = server.with_key(&key);
    friend.patch("/apps/shared/config-vars", json!({ "A": "b" })).await.ok();
    friend.post("/apps", json!({ "name": "friends-own" })).await.created();
    let message = friend.delete("/account").await.refused(422, "invalid_params");
    assert!(message.contains("friends-own"), "{message}");
    friend.delete("/apps/friends-own").await.ok();
    assert_eq!(friend.delete("/account").await.ok()["email"], "friend@example.com");

    friend.get("/account").await.refused(401, "unauthorized");
    server
        .with_password("friend@example.com", "correct horse battery staple")
        .post("/oauth/authorizations", json!({}))
        .await
        .refused(401, "unauthorized");
    let me = server.operator();
    assert_eq!(me.get("/apps/shared/collaborators").await.ok().as_array().unwrap().len(), 1);
    let by = me.get("/apps/shared/releases/2").await.ok()["user"]["email"].as_str().unwrap().to_owned();
    assert!(by.starts_with("deleted-") && by.ends_with("@renga.invalid"), "{by}");
    // The address is free again.
    me.post("/accounts", json!({ "email": "friend@example.com" })).await.created();
}

#[tokio::test]
async fn no_one_deletes_the_operator_or_a_stranger() {
    let server = Server::start().await;
    let (_, key) = server.platform.account("me@example.com").await;
    server.platform.account("other@example.com").await;
    server.operator().delete("/account").await.refused(422, "invalid_params");
    server.with_key(&key).delete("/users/other@example.com").await.refused(404, "not_found");
    server.with_key(&key).delete("/users/~").await.ok();
}
