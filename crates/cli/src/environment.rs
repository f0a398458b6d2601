//! The variables after which the official CLI and git work with a server, and
//! with nothing else set up.

use std::ffi::OsString;
use std::path::Path;

use anyhow::{Context, bail};

use crate::data_dir::{DataDir, ServerRecord};
use crate::trust;

/// Names and values, in the order they are printed.
pub(crate) type Variables = Vec<(String, String)>;

/// The whole environment for the server of `data_dir`. Writes the bundles of
/// certificates that it names.
pub(crate) fn of(data_dir: &DataDir) -> anyhow::Result<Variables> {
    let server = data_dir.server()?;
    if !server.is_running() {
        eprintln!("warning: the server of `{}` does not run now", data_dir.path().display());
    }
    let owner = data_dir.owner_if_allowed()?;
    if owner.is_none() {
        eprintln!("note: the owner's key is not yours to read; log in with your own account: heroku login -i");
    }
    let inherited = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let node_bundle = trust::for_node(data_dir, inherited("NODE_EXTRA_CA_CERTS").as_deref())?;
    let git_bundle = trust::for_git(data_dir, inherited("GIT_SSL_CAINFO").as_deref())?;

    let mut variables = platform(&server);
    variables.extend(owner.map(|owner| ("HEROKU_API_KEY".to_owned(), owner.api_key)));
    variables.push(("NODE_EXTRA_CA_CERTS".to_owned(), text(node_bundle.into_os_string())?));
    variables.push(("GIT_SSL_CAINFO".to_owned(), text(git_bundle.into_os_string())?));
    let program = std::env::current_exe().context("could not find the path of this program")?;
    let helper = credential_helper(&program, data_dir.path())?;
    variables.extend(git_config(&server, &helper, &|name| std::env::var(name).ok())?);
    Ok(variables)
}

/// Every host that the CLI would otherwise call at the vendor's (and send the
/// key to) is ours.
fn platform(server: &ServerRecord) -> Variables {
    let url = server.url.trim_end_matches('/');
    [
        ("HEROKU_HOST", url),
        // A name alone: scheme and port are taken from HEROKU_HOST.
        ("HEROKU_DATA_HOST", server.hostname()),
        ("HEROKU_PARTICLEBOARD_URL", url),
        ("HEROKU_STATUS_HOST", url),
        ("HEROKU_LOGIN_HOST", url),
        ("HEROKU_BUILDPACK_REGISTRY_URL", url),
        ("DISABLE_TELEMETRY", "true"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec()
}

fn credential_helper(program: &Path, data_dir: &Path) -> anyhow::Result<String> {
    let program = text(program.as_os_str().to_owned())?;
    let data_dir = text(data_dir.as_os_str().to_owned())?;
    Ok(format!("!{} git-credentials --data-dir {}", quoted(&program), quoted(&data_dir)))
}

/// Appends to what `GIT_CONFIG_COUNT` already numbers. An empty helper first
/// drops those of the user's files, among them the CLI's own, which takes
/// seconds to start.
fn git_config(
    server: &ServerRecord,
    helper: &str,
    inherited: &dyn Fn(&str) -> Option<String>,
) -> anyhow::Result<Variables> {
    let count = match inherited("GIT_CONFIG_COUNT").filter(|count| !count.is_empty()) {
        None => 0,
        Some(count) => {
            count.parse::<u16>().with_context(|| format!("GIT_CONFIG_COUNT is `{count}`, which is not a number"))?
        }
    };
    let key = format!("credential.https://{}.helper", server.host());
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

fn text(value: OsString) -> anyhow::Result<String> {
    match value.into_string() {
        Ok(text) => Ok(text),
        Err(value) => bail!("`{}` is not valid UTF-8: use another directory", value.display()),
    }
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

    fn server() -> ServerRecord {
        ServerRecord { pid: 1, listen: Vec::new(), url: "https://localhost:5000".to_owned() }
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
        let variables = platform(&server());
        let value = |name: &str| variables.iter().find(|(known, _)| known == name).unwrap().1.as_str();
        assert_eq!(value("HEROKU_HOST"), "https://localhost:5000");
        assert_eq!(value("HEROKU_DATA_HOST"), "localhost");
        assert_eq!(value("DISABLE_TELEMETRY"), "true");
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
