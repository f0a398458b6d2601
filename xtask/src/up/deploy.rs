//! An example, deployed the way a user does it: an app by the API, the code by
//! `git push`, the answer through the router.

use std::ffi::OsString;
use std::time::Duration;

use anyhow::{Context, ensure};
use e2e::{Api, http};
use serde_json::{Value, json};

use super::Place;
use crate::checkout::Checkout;
use crate::privilege::as_root;
use crate::steps::Step;

const EXAMPLE: &str = "node-hello";
const ANSWER_PATIENCE: Duration = Duration::from_secs(60);

pub(super) struct Deployed {
    pub(super) app: String,
    pub(super) url: String,
    /// What the app said.
    pub(super) answer: String,
    /// How long `git push` took; `None` if there was nothing to push.
    pub(super) push: Option<Duration>,
}

pub(super) fn example(place: &Place) -> anyhow::Result<Deployed> {
    let variables = environment(place)?;
    let value = |name: &str| {
        let found = variables.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.to_string_lossy().into_owned()).with_context(|| format!("no {name}"))
    };
    create_app(&Api::new(place.address, &value("HEROKU_API_KEY")?))?;
    let push = push(&format!("{}/{EXAMPLE}.git", value("HEROKU_HOST")?), &variables)?;

    let step = Step::begin("Request through the router");
    let host = format!("{EXAMPLE}.localhost:{}", place.address.port());
    let answer = e2e::eventually(ANSWER_PATIENCE, || {
        let response = http::get(place.address, &host, "/")?;
        ensure!(response.status == 200, "http://{host}/ answers {}: {}", response.status, response.body);
        Ok(response.body)
    })?;
    step.done();
    Ok(Deployed { app: EXAMPLE.to_owned(), url: format!("http://{host}/"), answer: first_line(&answer), push })
}

/// Our own variables and those of `renga env`.
fn environment(place: &Place) -> anyhow::Result<Vec<(OsString, OsString)>> {
    let command = as_root(&place.renga);
    let mut words: Vec<OsString> = vec![command.get_program().to_owned()];
    words.extend(command.get_args().map(ToOwned::to_owned));
    words.push("env".into());
    words.extend(place.data_dir_words().into_iter().map(Into::into));
    let base: Vec<(OsString, OsString)> = std::env::vars_os().collect();
    e2e::environment(&words, &base)
}

fn create_app(api: &Api) -> anyhow::Result<()> {
    if api.send("GET", &format!("/apps/{EXAMPLE}"), &Value::Null)?.status == 200 {
        return Ok(());
    }
    let step = Step::begin(format!("App {EXAMPLE}"));
    api.call("POST", "/apps", &json!({ "name": EXAMPLE }))?;
    step.done();
    Ok(())
}

/// Pushes a copy of the example. Its commit depends on the files alone, so the
/// same files again are nothing new to git.
fn push(remote: &str, variables: &[(OsString, OsString)]) -> anyhow::Result<Option<Duration>> {
    let checkout = Checkout::of(EXAMPLE, variables)?;
    if checkout.is_at(remote)? {
        return Ok(None);
    }
    let step = Step::begin(format!("git push ({EXAMPLE})"));
    checkout.push(remote)?;
    Ok(Some(step.done()))
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}
