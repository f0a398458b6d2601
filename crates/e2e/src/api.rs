//! The platform's API, called without the official CLI.

use std::net::SocketAddr;

use anyhow::{Context, ensure};
use serde_json::Value;

use crate::http::{self, Request, Response};

/// Someone with a key, at a server.
#[derive(Debug, Clone)]
pub struct Api {
    address: SocketAddr,
    key: String,
}

impl Api {
    pub fn new(address: SocketAddr, key: &str) -> Self {
        Self { address, key: key.to_owned() }
    }

    /// Any answer, as it is. A body that is `null` is left out.
    pub fn send(&self, method: &str, path: &str, body: &Value) -> anyhow::Result<Response> {
        let authorization = format!("Bearer {}", self.key);
        let headers = [
            ("Authorization", authorization.as_str()),
            ("Accept", "application/vnd.heroku+json; version=3"),
            ("Content-Type", "application/json"),
        ];
        let body = if body.is_null() { String::new() } else { body.to_string() };
        // With its port, as a client says it: the URLs in answers are made from it.
        let host = format!("localhost:{}", self.address.port());
        http::send(self.address, &Request { method, host: &host, path, headers: &headers, body: &body })
    }

    /// The body of a good answer.
    pub fn call(&self, method: &str, path: &str, body: &Value) -> anyhow::Result<Value> {
        let response = self.send(method, path, body)?;
        ensure!((200..300).contains(&response.status), "{method} {path}: {response:?}");
        response.json()
    }
}

/// Path and query of a URL that an answer of the API holds.
pub fn path_of(url: &Value) -> anyhow::Result<&str> {
    let url = url.as_str().context("no URL")?;
    let rest = url.split_once("://").with_context(|| format!("`{url}` is no URL"))?.1;
    Ok(rest.find('/').map_or("/", |at| &rest[at..]))
}
