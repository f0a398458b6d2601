//! The first contact with a far server: whose certificates to trust from then on.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use ureq::tls::TlsConfig;

use crate::api::{good, is_untrusted};
use crate::prompt;
use crate::server::ServerUrl;
use crate::server::trust::{self, Trust, fingerprint, is_same_fingerprint, system_bundle};

/// Where a server tells its authority's certificate.
const AUTHORITY: &str = "/renga/authority.pem";
const TIMEOUT: Duration = Duration::from_secs(20);

/// What the user knows of the server's authority.
pub(crate) enum Expected {
    File(PathBuf),
    Fingerprint(String),
    /// Nothing yet: he is shown the fingerprint.
    Asked,
}

/// Finds out whom to trust. No secret is sent before that is settled. `pin`
/// keeps a certificate and tells where.
pub(crate) fn meet(
    url: &ServerUrl,
    expected: &Expected,
    pin: &dyn Fn(&[u8]) -> anyhow::Result<PathBuf>,
) -> anyhow::Result<Trust> {
    let pem = match expected {
        Expected::File(path) => std::fs::read(path).with_context(|| format!("could not read `{}`", path.display()))?,
        Expected::Asked if is_trusted_by_system(url)? => return Ok(Trust::System),
        Expected::Asked | Expected::Fingerprint(_) => {
            let pem = get(url, AUTHORITY, trust::unverified())?;
            agree(url, &pem, expected)?;
            pem
        }
    };
    fingerprint(&pem)?;
    let trust = Trust::Authority(pin(&pem)?);
    // Now as it will always be: the certificate must be from that authority.
    get(url, "/healthz", trust.for_http()?)?;
    Ok(trust)
}

/// Whether the server's certificate is one that this machine takes anyway.
fn is_trusted_by_system(url: &ServerUrl) -> anyhow::Result<bool> {
    if system_bundle().is_none() {
        return Ok(false);
    }
    match request(url, "/healthz", Trust::System.for_http()?) {
        Ok(response) => good(response).map(|_| true),
        Err(error) if is_untrusted(&error) => Ok(false),
        Err(error) => Err(unreached(url, &error)),
    }
}

fn agree(url: &ServerUrl, pem: &[u8], expected: &Expected) -> anyhow::Result<()> {
    let shown = fingerprint(pem)?;
    if let Expected::Fingerprint(known) = expected {
        if !is_same_fingerprint(known, &shown) {
            bail!(
                "the authority of {url} is another than you expect: its fingerprint is {shown}. Somebody may be \
                 between you and the server; nothing was sent"
            );
        }
        return Ok(());
    }
    eprintln!("{url} uses an authority of its own, which this machine does not know. Its fingerprint:\n\n  {shown}\n");
    eprintln!("Compare it with what `renga trust --print` shows on the server.");
    let otherwise = format!("if it is right, repeat with --fingerprint {shown}");
    if !prompt::yes("Is it the same, and do you trust it for this server?", &otherwise)? {
        bail!("not logged in: the authority is not trusted");
    }
    Ok(())
}

fn get(url: &ServerUrl, path: &str, tls: TlsConfig) -> anyhow::Result<Vec<u8>> {
    let response = request(url, path, tls).map_err(|error| match is_untrusted(&error) {
        true => anyhow::anyhow!("the certificate of {url} is not from the authority that was named: {error}"),
        false => unreached(url, &error),
    })?;
    let mut response = good(response).with_context(|| format!("{url}{path} does not answer as a Renga server does"))?;
    response.body_mut().read_to_vec().context("the server's answer broke off")
}

fn request(url: &ServerUrl, path: &str, tls: TlsConfig) -> Result<ureq::http::Response<ureq::Body>, ureq::Error> {
    let agent = ureq::Agent::config_builder()
        .tls_config(tls)
        .proxy(None)
        .timeout_global(Some(TIMEOUT))
        .http_status_as_error(false)
        .max_redirects(0)
        .build()
        .new_agent();
    agent.get(format!("{url}{path}")).call()
}

fn unreached(url: &ServerUrl, error: &ureq::Error) -> anyhow::Error {
    anyhow::anyhow!("could not reach {url} ({error}); is it the right address, and does a firewall let you in?")
}
