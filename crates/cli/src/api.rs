//! A small client for a server's API, as the one who is logged in.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use base64::Engine;
use serde::de::DeserializeOwned;
use serde_json::Value;
use ureq::http::{Method, Request, Response, StatusCode};
use ureq::{AsSendBody, Body};

use crate::server::Server;

/// For an answer that is made at once. Streams have no end of their own.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Of a list that comes in parts, each with up to 1,000 things.
const MOST_PARTS: usize = 100;
const ACCEPT: &str = "application/vnd.heroku+json; version=3";

pub(crate) struct Api {
    agent: ureq::Agent,
    server: Server,
}

/// What the server said no with.
#[derive(Debug, thiserror::Error)]
#[error("{message} ({id})")]
pub(crate) struct Refused {
    pub(crate) status: u16,
    /// Heroku's word for the kind of problem: `not_found`, `invalid_params`, …
    pub(crate) id: String,
    pub(crate) message: String,
    /// What was looked for, in a `not_found`.
    pub(crate) resource: Option<String>,
}

impl Api {
    pub(crate) fn of(server: Server) -> anyhow::Result<Self> {
        let agent = ureq::Agent::config_builder()
            .tls_config(server.trust.for_http()?)
            .proxy(None)
            .timeout_global(Some(TIMEOUT))
            .http_status_as_error(false)
            .max_redirects(0)
            .build()
            .new_agent();
        Ok(Self { agent, server })
    }

    pub(crate) fn server(&self) -> &Server {
        &self.server
    }

    pub(crate) fn get(&self, path: &str) -> anyhow::Result<Value> {
        json(self.call(Method::GET, path, &[], ())?)
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        json(self.call(Method::POST, path, &[], body.to_string())?)
    }

    /// Hands over each line of the answer, a JSON value, as it comes; that
    /// takes as long as the server does.
    pub(crate) fn post_lines(
        &self,
        path: &str,
        body: &Value,
        mut take: impl FnMut(Value) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let request = self.agent.post(format!("{}{path}", self.server.url)).config().timeout_global(None).build();
        let request = request.header("Accept", ACCEPT).header("Authorization", format!("Bearer {}", self.key()?));
        let response = request.content_type("application/json").send(body.to_string());
        let answer = good(response.map_err(|error| self.unreached(error))?)?;
        for line in BufReader::new(answer.into_body().into_reader()).lines() {
            let line = line.context("the server's answer broke off")?;
            take(serde_json::from_str(&line).context("the server's answer is not JSON")?)?;
        }
        Ok(())
    }

    /// As someone with a password, who has no key yet.
    pub(crate) fn post_as(&self, email: &str, password: &str, path: &str, body: &Value) -> anyhow::Result<Value> {
        let credentials = base64::engine::general_purpose::STANDARD.encode(format!("{email}:{password}"));
        let authorization = format!("Basic {credentials}");
        let response = self.send(Method::POST, path, &authorization, &[], body.to_string())?;
        json(good(response).map_err(|error| match error.downcast_ref::<Refused>() {
            Some(refused) if refused.status == 401 => anyhow!("the e-mail address or the password is wrong"),
            _ => error,
        })?)
    }

    pub(crate) fn patch(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        json(self.call(Method::PATCH, path, &[], body.to_string())?)
    }

    pub(crate) fn delete(&self, path: &str) -> anyhow::Result<Value> {
        json(self.call(Method::DELETE, path, &[], ())?)
    }

    /// The whole list, in as many parts as the server makes of it.
    pub(crate) fn list(&self, path: &str) -> anyhow::Result<Vec<Value>> {
        let mut all = Vec::new();
        let mut range = "id ..; max=1000".to_owned();
        for _ in 0..MOST_PARTS {
            let response = self.call(Method::GET, path, &[("Range", &range)], ())?;
            let next = response.headers().get("next-range").and_then(|next| next.to_str().ok()).map(str::to_owned);
            let is_part = response.status() == StatusCode::PARTIAL_CONTENT;
            all.extend(items(json(response)?)?);
            match next {
                Some(next) if is_part => range = next,
                _ => return Ok(all),
            }
        }
        bail!("the list at {path} does not end")
    }

    /// The first `most` of a list, the highest `field` first.
    pub(crate) fn latest(&self, path: &str, field: &str, most: usize) -> anyhow::Result<Vec<Value>> {
        let range = format!("{field} ..; order=desc,max={most}");
        items(json(self.call(Method::GET, path, &[("Range", &range)], ())?)?)
    }

    /// Text at a URL that is a secret, as it comes: no key is sent, and no time
    /// is set for its end.
    pub(crate) fn stream(&self, url: &str, headers: &[(&str, &str)]) -> anyhow::Result<impl Read + use<>> {
        let request = self.agent.get(url).config().timeout_global(None).build();
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let response = request.call().map_err(|error| self.unreached(error))?;
        Ok(good(response)?.into_body().into_reader())
    }

    /// Puts a file under a URL that is a secret.
    pub(crate) fn put(&self, url: &str, file: File) -> anyhow::Result<()> {
        let length = file.metadata().context("could not see how large the file is")?.len();
        let request = self.agent.put(url).config().timeout_global(None).build().header("Content-Length", length);
        good(request.send(file).map_err(|error| self.unreached(error))?).map(drop)
    }

    fn key(&self) -> anyhow::Result<&str> {
        let nobody = || anyhow!("nobody is logged in to {}: {}", self.server.url, self.server.how_to_log_in());
        self.server.api_key.as_deref().ok_or_else(nobody)
    }

    fn call(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl AsSendBody,
    ) -> anyhow::Result<Response<Body>> {
        let response = self.send(method, path, &format!("Bearer {}", self.key()?), headers, body)?;
        good(response).map_err(|error| match error.downcast_ref::<Refused>() {
            Some(refused) if refused.status == 401 => error
                .context(format!("the server does not know your key; log in anew: {}", self.server.how_to_log_in())),
            _ => error,
        })
    }

    /// Any answer, as it is.
    fn send(
        &self,
        method: Method,
        path: &str,
        authorization: &str,
        headers: &[(&str, &str)],
        body: impl AsSendBody,
    ) -> anyhow::Result<Response<Body>> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.server.url))
            .header("Accept", ACCEPT)
            .header("Content-Type", "application/json")
            .header("Authorization", authorization);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body).with_context(|| format!("`{path}` can't be asked for"))?;
        self.agent.run(request).map_err(|error| self.unreached(error))
    }

    fn unreached(&self, error: ureq::Error) -> anyhow::Error {
        let server = &self.server;
        if is_untrusted(&error) {
            return anyhow!(
                "the certificate of {} is not from the authority that is trusted for it ({error}). If the server got \
                 a new one, compare its fingerprint (`renga trust --print` there) and log in again: {}",
                server.url,
                server.how_to_log_in()
            );
        }
        anyhow!("could not reach the server at {} ({error}); {}", server.url, server.how_to_reach())
    }
}

/// Whether it was the certificate that failed, and not the way to the server.
pub(crate) fn is_untrusted(error: &ureq::Error) -> bool {
    let is_certificate = |error: &rustls::Error| matches!(error, rustls::Error::InvalidCertificate(_));
    match error {
        ureq::Error::Rustls(error) => is_certificate(error),
        ureq::Error::Io(error) => {
            error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()).is_some_and(is_certificate)
        }
        _ => false,
    }
}

/// The answer if it is good, else [`Refused`].
pub(crate) fn good(mut response: Response<Body>) -> anyhow::Result<Response<Body>> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let text = response.body_mut().read_to_string().context("the server's answer broke off")?;
    let problem: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
    let field = |name: &str| problem[name].as_str().map(str::to_owned);
    Err(Refused {
        status: status.as_u16(),
        id: field("id").unwrap_or_else(|| format!("HTTP status {}", status.as_u16())),
        message: field("message").unwrap_or_else(|| text.trim().to_owned()),
        resource: field("resource"),
    }
    .into())
}

fn json(mut response: Response<Body>) -> anyhow::Result<Value> {
    let text = response.body_mut().read_to_string().context("the server's answer broke off")?;
    serde_json::from_str(&text).context("the server's answer is not JSON; is it a Renga server?")
}

fn items(value: Value) -> anyhow::Result<Vec<Value>> {
    match value {
        Value::Array(items) => Ok(items),
        other => bail!("the server's answer is no list: {other}"),
    }
}

/// An answer as what it should be.
pub(crate) fn typed<T: DeserializeOwned>(value: &Value) -> anyhow::Result<T> {
    T::deserialize(value)
        .context("the server's answer has another form than this client knows; are they of one version?")
}
