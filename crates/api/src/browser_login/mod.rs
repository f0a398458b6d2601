//! `heroku login` by a browser: the CLI posts to `/auth`, opens the page that
//! the answer names, and waits at the other address for a key.

mod page;

use std::time::Duration;

use axum::Form;
use axum::extract::State;
use axum::extract::rejection::FormRejection;
use axum::response::Response;
use domain::{Email, Secret};
use http::StatusCode;
use platform::{LoginOutcome, PlatformError};
use serde::Deserialize;
use serde_json::json;

use self::page::{Page, SignIn};
use crate::Api;
use crate::answer::Answer;
use crate::body::Body;
use crate::endpoint::{Access, Answers, Endpoints};
use crate::guard::Named;
use crate::problem::Refusal;

/// Shorter than the CLI's own patience with one request; it asks four times.
const WAIT: Duration = Duration::from_secs(50);
/// As long as the CLI wishes when it logs in with a password.
const SESSION: Duration = Duration::from_secs(30 * 24 * 3600);

pub(crate) fn endpoints() -> Endpoints {
    Endpoints::default()
        .post("/auth", Access::Open, Answers::Other, begin)
        .get("/auth/browser/{secret}", Access::SecretUrl, Answers::Stream, show)
        .post("/auth/browser/{secret}", Access::SecretUrl, Answers::Stream, sign_in)
        .get("/auth/cli/{secret}", Access::SecretUrl, Answers::Other, wait)
}

#[derive(Deserialize)]
struct Begin {
    #[serde(default)]
    description: String,
}

async fn begin(State(api): State<Api>, Body(wish): Body<Begin>) -> Result<Answer, Refusal> {
    let login = api.platform.browser_logins().begin(&wish.description)?;
    Answer::created(&json!({
        "browser_url": format!("/auth/browser/{}", login.page),
        "cli_url": format!("/auth/cli/{}", login.client),
        "token": login.client,
    }))
}

async fn wait(State(api): State<Api>, Named(secret): Named) -> Result<Answer, Refusal> {
    match api.platform.browser_logins().outcome(&secret, WAIT).await? {
        Some(LoginOutcome::SignedIn(key)) => Answer::ok(&json!({ "access_token": key.expose() })),
        Some(LoginOutcome::Refused) => Answer::ok(&json!({ "error": "The login was refused in the browser." })),
        None => Err(Refusal::unavailable("No one has signed in yet: ask again.")),
    }
}

async fn show(State(api): State<Api>, Named(secret): Named) -> Result<Response, Refusal> {
    let description = api.platform.browser_logins().description(&secret)?;
    Ok(Page::SignIn(SignIn { description, ..SignIn::default() }).response(StatusCode::OK))
}

#[derive(Deserialize)]
struct Credentials {
    #[serde(default)]
    email: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    new_password: String,
    /// The name of the button.
    #[serde(default)]
    action: String,
}

async fn sign_in(
    State(api): State<Api>,
    Named(secret): Named,
    form: Result<Form<Credentials>, FormRejection>,
) -> Result<Response, Refusal> {
    let logins = api.platform.browser_logins();
    let description = logins.description(&secret)?;
    let Form(given) = form.map_err(|error| Refusal::bad_request(format!("The form can't be read: {error}.")))?;
    if given.action == "refuse" {
        logins.end(&secret, LoginOutcome::Refused)?;
        return Ok(Page::Refused.response(StatusCode::OK));
    }
    let again = |problem: String, wants_new_password: bool| {
        let description = description.clone();
        let page = SignIn { description, email: given.email.clone(), problem: Some(problem), wants_new_password };
        Ok(Page::SignIn(page).response(StatusCode::UNPROCESSABLE_ENTITY))
    };
    let wrong = || "There is no account with this e-mail address and password.".to_owned();
    let Ok(email) = given.email.parse::<Email>() else { return again(wrong(), false) };
    api.limits.take_login(&email)?;
    let (accounts, password) = (api.platform.accounts(), Secret::new(given.password.as_str()));
    let account = match accounts.authenticate_password(&email, &password).await {
        Err(PlatformError::Unauthorized) => return again(wrong(), false),
        account => account?,
    };
    if account.has_one_time_password {
        if given.new_password.is_empty() {
            let text = "This password was for once: enter it again, and choose one of your own.";
            return again(text.to_owned(), true);
        }
        match accounts.choose_password(&account, &password, &Secret::new(given.new_password.as_str())).await {
            Err(PlatformError::Invalid(why)) => return again(why, true),
            chosen => chosen?,
        }
    }
    let (_, key) = accounts.begin_session(&account, &description, Some(SESSION)).await?;
    logins.end(&secret, LoginOutcome::SignedIn(key))?;
    Ok(Page::SignedIn(email).response(StatusCode::OK))
}
