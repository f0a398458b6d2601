//! The platform's names and URL, as they follow from the settings.

use std::net::IpAddr;

use domain::AppName;

use crate::read::Fault;
use crate::table::Configuration;
use crate::value::HostName;

/// Under a domain of the operator's the platform has this name.
const OWN_LABEL: &str = "renga";

impl Configuration {
    /// The platform's own name: `localhost`, or `renga.example.com`.
    pub fn platform_host(&self) -> String {
        match &self.host {
            Some(host) => host.to_string(),
            None if self.domain.is_localhost() => HostName::LOCALHOST.to_owned(),
            None => format!("{OWN_LABEL}.{}", self.domain),
        }
    }

    /// How the platform is reached from outside: `https://renga.example.com`.
    pub fn public_url(&self) -> String {
        format!("https://{}{}", self.platform_host(), self.port())
    }

    /// How programs on this machine reach it: by `localhost`, which the
    /// official CLI likes best, if some address is reached by that.
    pub fn local_url(&self) -> String {
        let is_local = |ip: IpAddr| ip.is_loopback() || ip.is_unspecified();
        let ports = || self.listen.0.iter().filter(|address| is_local(address.ip())).map(|address| address.port());
        match ports().find(|port| *port == HTTPS).or_else(|| ports().next()) {
            Some(port) => format!("https://{}{}", HostName::LOCALHOST, suffix(port)),
            None => self.public_url(),
        }
    }

    /// The port of URLs: 443, if it is listened on, and else the first.
    fn port(&self) -> String {
        let ports = || self.listen.0.iter().map(|address| address.port());
        ports().find(|port| *port == HTTPS).or_else(|| ports().next()).map(suffix).unwrap_or_default()
    }

    /// What is wrong with settings that are right each by itself.
    pub(crate) fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if let Some(host) = &self.host {
            let label = host.as_str().strip_suffix(self.domain.as_str()).and_then(|rest| rest.strip_suffix('.'));
            if label.is_some_and(|label| label.parse::<AppName>().is_ok()) {
                faults.push(Fault(format!(
                    "host: `{host}` could be the name of an app; use {OWN_LABEL}.{0}, or a name outside {0}",
                    self.domain
                )));
            }
        }
        if self.tls_cert.is_some() != self.tls_key.is_some() {
            faults.push(Fault("tls_cert and tls_key: one needs the other".to_owned()));
        }
        faults
    }
}

const HTTPS: u16 = 443;

fn suffix(port: u16) -> String {
    if port == HTTPS { String::new() } else { format!(":{port}") }
}

#[cfg(test)]
mod tests {
    use crate::{Given, read};

    fn with(flags: &[(&'static str, &str)]) -> Result<crate::Configuration, String> {
        let flags = flags.iter().map(|(name, text)| (*name, (*text).to_owned())).collect();
        read(&Given { flags, ..Given::default() }).map(|(found, _)| found).map_err(|faults| faults.to_string())
    }

    #[test]
    fn urls_follow_domain_and_ports() {
        let laptop = with(&[]).unwrap();
        assert_eq!(laptop.public_url(), "https://localhost:5000");
        assert_eq!(laptop.local_url(), "https://localhost:5000");
        let server = with(&[("domain", "example.com"), ("listen", "0.0.0.0:80,0.0.0.0:443")]).unwrap();
        assert_eq!(server.public_url(), "https://renga.example.com");
        assert_eq!(server.local_url(), "https://localhost");
        let odd = with(&[("domain", "example.com"), ("host", "paas.example.org"), ("listen", "192.0.2.1:8443")]);
        assert_eq!(odd.as_ref().unwrap().public_url(), "https://paas.example.org:8443");
        assert_eq!(odd.unwrap().local_url(), "https://paas.example.org:8443", "nothing of it is loopback");
    }

    #[test]
    fn the_platforms_name_may_not_be_that_of_an_app() {
        let refused = with(&[("domain", "example.com"), ("host", "shop.example.com")]).unwrap_err();
        assert!(refused.contains("could be the name of an app"), "{refused}");
        assert!(with(&[("domain", "example.com"), ("host", "api.example.com")]).is_ok(), "no app may be called api");
        assert!(with(&[("domain", "example.com"), ("host", "my.paas.example.com")]).is_ok());
    }

    #[test]
    fn a_certificate_needs_its_key() {
        assert!(with(&[("tls_cert", "/x.pem")]).is_err());
        assert!(with(&[("tls_cert", "/x.pem"), ("tls_key", "/x.key")]).is_ok());
    }
}
