//! The server's settings, and the names that follow from them.

use std::net::ToSocketAddrs;

use configuration::{Configuration, ConfigurationFile, Given};

use super::check::Check;

/// What a server would run with, and whether it could. If not, the rest is
/// looked at with the defaults.
pub(super) fn read() -> anyhow::Result<(Configuration, Check)> {
    let found = configuration::file_named(None).map_err(anyhow::Error::from).and_then(|file| {
        let place = place(file.as_ref());
        let (configuration, _) = configuration::read(&Given::here(Default::default(), file))?;
        Ok((configuration, Check::ok("settings", place)))
    });
    found.or_else(|error| {
        let check = Check::failure("settings", format!("{error:#}"), "mend the file or the variables that it names");
        let (configuration, _) = configuration::read(&Given::default())?;
        Ok((configuration, check))
    })
}

fn place(file: Option<&ConfigurationFile>) -> String {
    match file {
        Some(file) => format!("from `{}`", file.path.display()),
        None => "the defaults, and variables; there is no configuration file".to_owned(),
    }
}

/// Whether the names of a domain of the operator's lead somewhere.
pub(super) fn domain_names(configuration: &Configuration) -> Option<Check> {
    if configuration.domain.is_localhost() {
        return None;
    }
    let domain = &configuration.domain;
    let resolves = |name: &str| (name, 443).to_socket_addrs().is_ok();
    let names = [configuration.platform_host(), format!("any-app.{domain}")];
    let lost: Vec<&str> = names.iter().map(String::as_str).filter(|name| !resolves(name)).collect();
    Some(match lost.as_slice() {
        [] => Check::ok("names.domain", format!("{} and APP.{domain} have addresses", names[0])),
        lost => Check::warning(
            "names.domain",
            format!("no address is known for {}", lost.join(" and ")),
            format!("point *.{domain} at this machine in its DNS"),
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::super::check::Status;
    use super::*;

    #[test]
    fn a_domain_without_records_is_told() {
        let (local, _) = configuration::read(&Given::default()).unwrap();
        assert!(domain_names(&local).is_none());
        // Reserved never to exist (RFC 2606).
        let given = Given { flags: [("domain", "nowhere.invalid".to_owned())].into(), ..Given::default() };
        let (remote, _) = configuration::read(&given).unwrap();
        assert_eq!(domain_names(&remote).unwrap().status, Status::Warning);
    }
}
