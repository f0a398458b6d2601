//! The variables after which the official CLI and git work with a server, and
//! with nothing else set up.

use std::path::Path;

use anyhow::Context;

use crate::git;
use crate::server::bundle;
use crate::server::{DataDir, Server, ServerUrl};

/// Names and values, in the order they are printed.
pub(crate) type Variables = Vec<(String, String)>;

/// The whole environment for a server. Writes the bundles of certificates that
/// it names. `through`: the local port by which a far server is reached
/// (`renga connect`).
pub(crate) fn of(server: &Server, through: Option<u16>) -> anyhow::Result<Variables> {
    if let Some(path) = server.data_dir() {
        warn_of(&DataDir::open(path)?)?;
    }
    let inherited = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let node_bundle = bundle::for_node(server, inherited("NODE_EXTRA_CA_CERTS").as_deref())?;
    let git_bundle = bundle::for_git(server, inherited("GIT_SSL_CAINFO").as_deref())?;

    let url = match through {
        Some(port) => format!("https://localhost:{port}").parse()?,
        None => server.url.clone(),
    };
    let mut variables = platform(&url, &server.url);
    if let Some(key) = &server.api_key {
        variables.push(("HEROKU_API_KEY".to_owned(), key.clone()));
        if !url.is_loopback() {
            variables.push(("HEROKU_HEADERS".to_owned(), format!("{{\"Authorization\":\"Bearer {key}\"}}")));
        }
    }
    if url.is_loopback() && inherited("HEROKU_HEADERS").is_some() {
        // Another server's key, from an environment that was set before.
        variables.push(("HEROKU_HEADERS".to_owned(), "{}".to_owned()));
    }
    for (name, bundle) in [("NODE_EXTRA_CA_CERTS", node_bundle), ("GIT_SSL_CAINFO", git_bundle)] {
        if let Some(path) = bundle {
            variables.push((name.to_owned(), text(&path)?));
        }
    }
    let helper = git::credential_helper(server)?;
    variables.extend(git_config(&server.url, &helper, &|name| std::env::var(name).ok())?);
    Ok(variables)
}

fn warn_of(data_dir: &DataDir) -> anyhow::Result<()> {
    if !data_dir.server()?.is_running() {
        eprintln!("warning: the server of `{}` does not run now", data_dir.path().display());
    }
    if data_dir.owner_if_allowed()?.is_none() {
        eprintln!("note: the owner's key is not yours to read; log in with your own account: heroku login -i");
    }
    Ok(())
}

/// Every host that the CLI would otherwise call at the vendor's (and send the
/// key to) is ours. Git goes to the server's own name, also where the CLI goes
/// through a local port: a remote is to be good for longer than that.
fn platform(url: &ServerUrl, git: &ServerUrl) -> Variables {
    let url_text = url.to_string();
    // The CLI takes a host for its own only if this word is in it; it drops
    // the path from all but its calls for login and logout.
    let host = if url.is_loopback() { url_text.clone() } else { format!("{url_text}/localhost") };
    [
        ("HEROKU_HOST", host),
        // A name alone: scheme and port are taken from HEROKU_HOST.
        ("HEROKU_DATA_HOST", url.hostname().to_owned()),
        ("HEROKU_GIT_HOST", git.host()),
        ("HEROKU_PARTICLEBOARD_URL", url_text.clone()),
        ("HEROKU_STATUS_HOST", url_text.clone()),
        ("HEROKU_LOGIN_HOST", url_text.clone()),
        ("HEROKU_BUILDPACK_REGISTRY_URL", url_text),
        ("DISABLE_TELEMETRY", "true".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}

/// Appends to what `GIT_CONFIG_COUNT` already numbers. An empty helper first
/// drops those of the user's files, among them the CLI's own, which takes
/// seconds to start.
fn git_config(url: &ServerUrl, helper: &str, inherited: &dyn Fn(&str) -> Option<String>) -> anyhow::Result<Variables> {
    let count = match inherited("GIT_CONFIG_COUNT").filter(|count| !count.is_empty()) {
        None => 0,
        Some(count) => {
            count.parse::<u16>().with_context(|| format!("GIT_CONFIG_COUNT is `{count}`, which is not a number"))?
        }
    };
    let key = format!("credential.{url}.helper");
    let is = |n: u16, value: &str| {
        inherited(&format!("GIT_CONFIG_KEY_{n}")).as_deref() == Some(key.as_str())
            && inherited(&format!("GIT_CONFIG_VALUE_{n}")).as_deref() == Some(value)
    };
    let is_set = (1..count).any(|n| is(n - 1, "") && is(n, helper));
    if is_set {
        return Ok(vec![("GIT_CONFIG_COUNT".to_owned(), count.to_string())]);
    }
    let mut variables = vec![("GIT_CONFIG_COUNT".to_owned(), (count + 2).to_string())];
    for (n, value) in [(count, ""), (count + 1, helper)] {
        variables.push((format!("GIT_CONFIG_KEY_{n}"), key.clone()));
        variables.push((format!("GIT_CONFIG_VALUE_{n}"), value.to_owned()));
    }
    Ok(variables)
}

pub(crate) fn text(path: &Path) -> anyhow::Result<String> {
    let text = path.to_str().with_context(|| format!("`{}` is not valid UTF-8: use another directory", path.display()));
    text.map(str::to_owned)
}

/// As one word of a POSIX shell.
pub(crate) fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/:._-+=@%,".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server() -> ServerUrl {
        "https://localhost:5000".parse().unwrap()
    }

    fn from(pairs: &[(&str, &str)]) -> impl Fn(&str) -> Option<String> {
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        move |name| pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    }

    #[test]
    fn words_are_quoted_for_a_shell_only_where_they_must_be() {
        assert_eq!(quoted("https://localhost:5000"), "https://localhost:5000");
        assert_eq!(quoted(""), "''");
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted("$(reboot)"), "'$(reboot)'");
        assert_eq!(quoted("~x"), "'~x'");
    }

    #[test]
    fn the_cli_calls_no_host_but_ours() {
        let variables = platform(&server(), &server());
        let value = |name: &str| variables.iter().find(|(known, _)| known == name).unwrap().1.as_str();
        assert_eq!(value("HEROKU_HOST"), "https://localhost:5000");
        assert_eq!(value("HEROKU_DATA_HOST"), "localhost");
        assert_eq!(value("DISABLE_TELEMETRY"), "true");
    }

    #[test]
    fn for_a_far_server_the_host_holds_the_word_that_the_cli_looks_for() {
        let far: ServerUrl = "https://renga.example.com".parse().unwrap();
        let variables = platform(&far, &far);
        let value = |name: &str| variables.iter().find(|(known, _)| known == name).unwrap().1.as_str();
        assert_eq!(value("HEROKU_HOST"), "https://renga.example.com/localhost");
        assert_eq!(value("HEROKU_GIT_HOST"), "renga.example.com");
        assert_eq!(value("HEROKU_STATUS_HOST"), "https://renga.example.com");
        let through = platform(&server(), &far);
        let value = |name: &str| through.iter().find(|(known, _)| known == name).unwrap().1.as_str();
        assert_eq!((value("HEROKU_HOST"), value("HEROKU_GIT_HOST")), ("https://localhost:5000", "renga.example.com"));
    }

    #[test]
    fn git_gets_an_empty_helper_first_and_then_ours() {
        let variables = git_config(&server(), "!renga", &from(&[])).unwrap();
        let expected = [
            ("GIT_CONFIG_COUNT", "2"),
            ("GIT_CONFIG_KEY_0", "credential.https://localhost:5000.helper"),
            ("GIT_CONFIG_VALUE_0", ""),
            ("GIT_CONFIG_KEY_1", "credential.https://localhost:5000.helper"),
            ("GIT_CONFIG_VALUE_1", "!renga"),
        ];
        assert_eq!(variables, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn settings_that_were_there_stay_and_ours_is_not_added_twice() {
        let theirs = [("GIT_CONFIG_COUNT", "1"), ("GIT_CONFIG_KEY_0", "user.name"), ("GIT_CONFIG_VALUE_0", "x")];
        let first = git_config(&server(), "!renga", &from(&theirs)).unwrap();
        assert_eq!(first[0].1, "3");
        assert!(first.iter().all(|(name, _)| !name.ends_with("_0")), "{first:?}");

        let mut both: Vec<(&str, &str)> = theirs[1..].to_vec();
        both.extend(first.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let again = git_config(&server(), "!renga", &from(&both)).unwrap();
        assert_eq!(again, [("GIT_CONFIG_COUNT".to_owned(), "3".to_owned())]);
        assert!(git_config(&server(), "!renga", &from(&[("GIT_CONFIG_COUNT", "many")])).is_err());
    }
}
