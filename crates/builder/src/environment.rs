//! The environment of a build: Heroku's, the machine's CAs, the operator's.

use domain::BuildId;

/// Where the runtime shows the machine's CA bundle inside a dyno.
const CA_BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";

/// The variables by which tools are told of a CA bundle.
const CA_VARIABLES: [&str; 9] = [
    "SSL_CERT_FILE",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "NODE_EXTRA_CA_CERTS",
    "PIP_CERT",
    "REQUESTS_CA_BUNDLE",
    "AWS_CA_BUNDLE",
    "CARGO_HTTP_CAINFO",
    "BUNDLE_SSL_CA_CERT",
];

/// What `RENGA_BUILD_ENV` stands for if the operator does not set it: the
/// variables that name proxies and registries. Passwords in them are shown to
/// every build.
pub const DEFAULT_BUILD_ENV: [&str; 22] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "all_proxy",
    "NPM_CONFIG_REGISTRY",
    "npm_config_registry",
    "PIP_INDEX_URL",
    "PIP_EXTRA_INDEX_URL",
    "PIP_TRUSTED_HOST",
    "GOPROXY",
    "GONOPROXY",
    "GOPRIVATE",
    "GOSUMDB",
    "GONOSUMDB",
    "GONOSUMCHECK",
    "GOFLAGS",
    "GOINSECURE",
    "CARGO_REGISTRIES_CRATES_IO_PROTOCOL",
];

/// Picks the variables that builds get out of the server's own environment.
/// `listed` is the value of `RENGA_BUILD_ENV`: names divided by commas or
/// blanks, each possibly with `=value`; `None` means [`DEFAULT_BUILD_ENV`].
pub fn operator_environment(listed: Option<&str>, own: impl Fn(&str) -> Option<String>) -> Vec<(String, String)> {
    let names: Vec<&str> = match listed {
        Some(listed) => listed.split([',', ' ', '\t', '\n']).filter(|name| !name.is_empty()).collect(),
        None => DEFAULT_BUILD_ENV.to_vec(),
    };
    let value = |name: &str| match name.split_once('=') {
        Some((name, value)) => Some((name.to_owned(), value.to_owned())),
        None => own(name).map(|value| (name.to_owned(), value)),
    };
    names.into_iter().filter_map(value).collect()
}

/// All that a buildpack finds in its environment. Config vars are not in it:
/// they are files, and each buildpack takes what it wants.
pub(crate) fn of_build(
    build: BuildId,
    stack: &str,
    source_version: Option<&str>,
    operator: &[(String, String)],
) -> Vec<(String, String)> {
    let own = [
        ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
        ("HOME", "/app"),
        ("STACK", stack),
        ("SOURCE_VERSION", source_version.unwrap_or_default()),
        ("BUILDPACK_LOG_FILE", "/dev/null"),
        // Slow networks: official buildpacks give up after 3 s else.
        ("CURL_CONNECT_TIMEOUT", "30"),
        ("CURL_TIMEOUT", "180"),
    ];
    let request_id = build.to_string();
    let dyno = format!("build.{}", request_id.chars().take(8).collect::<String>());
    let mut all: Vec<(String, String)> = Vec::new();
    let mut set = |name: &str, value: &str| {
        all.retain(|(known, _)| known != name);
        all.push((name.to_owned(), value.to_owned()));
    };
    for name in CA_VARIABLES {
        set(name, CA_BUNDLE);
    }
    for (name, value) in operator {
        set(name, value);
    }
    for (name, value) in own {
        set(name, value);
    }
    set("REQUEST_ID", &request_id);
    set("DYNO", &dyno);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(name: &str) -> Option<String> {
        match name {
            "HTTPS_PROXY" => Some("http://proxy".to_owned()),
            "SECRET" => Some("hush".to_owned()),
            _ => None,
        }
    }

    #[test]
    fn only_listed_variables_leave_the_server() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(operator_environment(None, machine), [pair("HTTPS_PROXY", "http://proxy")]);
        assert_eq!(
            operator_environment(Some("SECRET, ABSENT X=1=2"), machine),
            [pair("SECRET", "hush"), pair("X", "1=2")]
        );
        assert!(operator_environment(Some(""), machine).is_empty());
    }

    #[test]
    fn the_contract_s_variables_win_over_the_operator_s_and_none_comes_twice() {
        let build = BuildId(uuid::Uuid::nil());
        let operator = [("PATH".to_owned(), "/evil".to_owned()), ("PIP_CERT".to_owned(), "/own.pem".to_owned())];
        let all = of_build(build, "heroku-24", Some("2c3a0b2"), &operator);
        let value = |wanted: &str| {
            let mut found = all.iter().filter(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
            let value = found.next();
            assert_eq!(found.next(), None, "{wanted} is there twice");
            value
        };
        assert_eq!(value("PATH"), Some("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"));
        assert_eq!(value("PIP_CERT"), Some("/own.pem"));
        assert_eq!(value("CURL_CA_BUNDLE"), Some(CA_BUNDLE));
        assert_eq!(value("STACK"), Some("heroku-24"));
        assert_eq!(value("SOURCE_VERSION"), Some("2c3a0b2"));
    }
}
