//! Which app a command is about, and calls that concern it.

use std::fmt::Write as _;

use anyhow::{Context, anyhow, bail};
use serde_json::Value;

use crate::api::{Api, Refused};
use crate::git::{self, Remote, Repository};
use crate::nearest::did_you_mean;
use crate::server::{ServerArgs, ServerUrl};

/// The options that choose an app, the same for every command that is about one.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct AppArgs {
    /// The app [env: RENGA_APP, HEROKU_APP] [default: the one of the git remote]
    #[arg(long, short, value_name = "APP")]
    app: Option<String>,
    /// The git remote of the app
    #[arg(long, short, value_name = "REMOTE", conflicts_with = "app")]
    remote: Option<String>,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// An app on a server; whether it is there shows at the first call.
pub(crate) struct App {
    pub(crate) api: Api,
    pub(crate) name: String,
    /// The git remote that named it.
    pub(crate) remote: Option<String>,
}

impl AppArgs {
    pub(crate) fn find(&self) -> anyhow::Result<App> {
        let api = Api::of(self.server.find()?)?;
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        if let Some(name) = self.app.clone() {
            return Ok(App { api, name, remote: None });
        }
        if self.remote.is_none()
            && let Some(name) = variable("RENGA_APP").or_else(|| variable("HEROKU_APP"))
        {
            return Ok(App { api, name, remote: None });
        }
        let remotes = Repository::here().map(|repository| repository.remotes()).unwrap_or_default();
        let (name, remote) = of_remotes(&remotes, self.remote.as_deref(), &api.server().url)?;
        Ok(App { api, name, remote: Some(remote) })
    }
}

/// The app and the remote. Of several remotes, `renga` and then `heroku` count.
fn of_remotes(remotes: &[Remote], wanted: Option<&str>, server: &ServerUrl) -> anyhow::Result<(String, String)> {
    if let Some(wanted) = wanted {
        let remote = remotes.iter().find(|remote| remote.name == wanted).with_context(|| {
            let hint = did_you_mean(wanted, remotes.iter().map(|remote| remote.name.as_str()));
            format!("there is no git remote `{wanted}` here.{hint}")
        })?;
        let app = git::app_of(&remote.url, server)
            .with_context(|| format!("the remote `{wanted}` ({}) is no app on {server}", remote.url))?;
        return Ok((app.to_owned(), wanted.to_owned()));
    }
    let ours: Vec<(&str, &Remote)> =
        remotes.iter().filter_map(|remote| Some((git::app_of(&remote.url, server)?, remote))).collect();
    let preferred =
        [git::REMOTE, "heroku"].iter().find_map(|name| ours.iter().find(|(_, remote)| remote.name == *name));
    match (preferred, ours.as_slice()) {
        (Some((app, remote)), _) | (None, [(app, remote)]) => Ok(((*app).to_owned(), remote.name.clone())),
        (None, []) => bail!(
            "no app is named: use --app NAME, or RENGA_APP, or a git repository with a remote on {server} (`renga \
             create` makes one; `renga apps` lists what is there)"
        ),
        (None, several) => {
            let names: Vec<&str> = several.iter().map(|(_, remote)| remote.name.as_str()).collect();
            bail!("several git remotes are on {server}: say which with --remote ({})", names.join(", "))
        }
    }
}

impl App {
    /// `/apps/NAME` and what follows.
    pub(crate) fn path(&self, rest: &str) -> String {
        format!("/apps/{}{rest}", encoded(&self.name))
    }

    pub(crate) fn get(&self, rest: &str) -> anyhow::Result<Value> {
        self.explain(self.api.get(&self.path(rest)))
    }

    pub(crate) fn list(&self, rest: &str) -> anyhow::Result<Vec<Value>> {
        self.explain(self.api.list(&self.path(rest)))
    }

    pub(crate) fn latest(&self, rest: &str, field: &str, most: usize) -> anyhow::Result<Vec<Value>> {
        self.explain(self.api.latest(&self.path(rest), field, most))
    }

    pub(crate) fn post(&self, rest: &str, body: &Value) -> anyhow::Result<Value> {
        self.explain(self.api.post(&self.path(rest), body))
    }

    pub(crate) fn patch(&self, rest: &str, body: &Value) -> anyhow::Result<Value> {
        self.explain(self.api.patch(&self.path(rest), body))
    }

    pub(crate) fn delete(&self, rest: &str) -> anyhow::Result<Value> {
        self.explain(self.api.delete(&self.path(rest)))
    }

    /// If it is the app that is not there, says which may have been meant.
    fn explain<T>(&self, outcome: anyhow::Result<T>) -> anyhow::Result<T> {
        outcome.map_err(|error| {
            let is_app = |refused: &Refused| refused.id == "not_found" && refused.resource.as_deref() == Some("app");
            if !error.downcast_ref::<Refused>().is_some_and(is_app) {
                return error;
            }
            // Without the list there is no hint, and the error stands as it is.
            let known = self.api.list("/apps").unwrap_or_default();
            let hint = did_you_mean(&self.name, known.iter().filter_map(|app| app["name"].as_str()));
            anyhow!(
                "there is no app `{}` on {} that you may use (not_found).{hint} `renga apps` lists yours",
                self.name,
                self.api.server().url
            )
        })
    }
}

/// A part of a path: everything but letters, digits and `-._~` is escaped.
pub(crate) fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            // Writing to a String can't fail.
            _ => drop(write!(encoded, "%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(remotes: &[(&str, &str)], wanted: Option<&str>) -> Result<(String, String), String> {
        let remotes: Vec<Remote> =
            remotes.iter().map(|(name, url)| Remote { name: (*name).to_owned(), url: (*url).to_owned() }).collect();
        of_remotes(&remotes, wanted, &"https://localhost:5000".parse().unwrap()).map_err(|error| error.to_string())
    }

    fn found(app: &str, remote: &str) -> Result<(String, String), String> {
        Ok((app.to_owned(), remote.to_owned()))
    }

    const SHOP: (&str, &str) = ("renga", "https://localhost:5000/shop.git");
    const STAGING: (&str, &str) = ("staging", "https://localhost:5000/shop-staging.git");
    const ELSEWHERE: (&str, &str) = ("heroku", "https://git.heroku.com/shop.git");

    #[test]
    fn the_app_is_that_of_the_remote_on_this_server() {
        assert_eq!(chosen(&[ELSEWHERE, STAGING], None), found("shop-staging", "staging"));
        assert_eq!(chosen(&[STAGING, SHOP], None), found("shop", "renga"));
        assert_eq!(chosen(&[STAGING, SHOP], Some("staging")), found("shop-staging", "staging"));
    }

    #[test]
    fn what_is_unclear_is_asked_for() {
        let second = ("qa", "https://localhost:5000/shop-qa.git");
        assert!(chosen(&[STAGING, second], None).unwrap_err().contains("--remote (staging, qa)"));
        assert!(chosen(&[ELSEWHERE], None).unwrap_err().contains("--app NAME"));
        assert!(chosen(&[ELSEWHERE], Some("heroku")).unwrap_err().contains("is no app on https://localhost:5000"));
        assert!(chosen(&[STAGING], Some("stagin")).unwrap_err().contains("Did you mean `staging`?"));
    }

    #[test]
    fn a_name_can_not_leave_its_place_in_the_path() {
        assert_eq!(encoded("shop-1"), "shop-1");
        assert_eq!(encoded("../account?x"), "..%2Faccount%3Fx");
    }
}
