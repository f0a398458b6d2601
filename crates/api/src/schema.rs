//! `GET /schema`: the endpoints as a JSON hyper-schema, made from the table
//! that serves them. Bodies are described in the published schema of Heroku's
//! Platform API, by the same names of definitions.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::endpoint::{Access, Answers, EndpointInfo, Endpoints};
use crate::problem::Refusal;

pub(crate) fn endpoints() -> Endpoints {
    Endpoints::default().get("/schema", Access::Open, Answers::Other, schema)
}

async fn schema() -> Result<Answer, Refusal> {
    let endpoints = crate::endpoints();
    let mut definitions: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for endpoint in endpoints.iter().filter(|endpoint| endpoint.answers != Answers::Problem) {
        definitions.entry(noun(endpoint)).or_default().push(link(endpoint));
    }
    let properties: BTreeMap<&str, Value> =
        definitions.keys().map(|name| (*name, json!({ "$ref": format!("#/definitions/{name}") }))).collect();
    let definitions: BTreeMap<&str, Value> = definitions
        .into_iter()
        .map(|(name, links)| (name, json!({ "id": format!("schemata/{name}"), "type": ["object"], "links": links })))
        .collect();
    Answer::ok(&json!({
        "$schema": "http://interagent.github.io/interagent-hyper-schema",
        "id": "schemata/api",
        "title": "Renga Platform API",
        "description": "The part of Heroku's Platform API v3 that this server implements.",
        "type": ["object"],
        "definitions": definitions,
        "properties": properties,
        "links": [{ "href": "/schema", "rel": "self", "method": "GET", "title": "Schema" }],
    }))
}

/// The definition that an endpoint belongs to.
fn noun(endpoint: &EndpointInfo) -> &'static str {
    match endpoint.answers {
        Answers::One(name) | Answers::Many(name) | Answers::NoneOf(name) => name,
        Answers::ConfigVars => "config-var",
        Answers::Empty => {
            if endpoint.path.contains("build-cache") {
                "build"
            } else {
                "dyno"
            }
        }
        Answers::Problem | Answers::Stream | Answers::Other => "platform",
    }
}

fn link(endpoint: &EndpointInfo) -> Value {
    let target = match endpoint.answers {
        Answers::One(name) => json!({ "$ref": format!("#/definitions/{name}") }),
        Answers::Many(name) => json!({ "type": ["array"], "items": { "$ref": format!("#/definitions/{name}") } }),
        Answers::NoneOf(_) => json!({ "type": ["array"], "maxItems": 0 }),
        Answers::ConfigVars => json!({ "type": ["object"], "additionalProperties": { "type": ["string"] } }),
        Answers::Empty => json!({ "type": ["object"], "additionalProperties": false }),
        Answers::Problem | Answers::Stream | Answers::Other => json!({}),
    };
    let access = match endpoint.access {
        Access::Open => "open",
        Access::SecretUrl => "secret-url",
        Access::Login => "password-or-key",
        Access::Account => "account",
        Access::Operator => "operator",
        Access::Member => "app-member",
        Access::Owner => "app-owner",
    };
    json!({
        "href": endpoint.path,
        "method": endpoint.method.as_str(),
        "rel": rel(endpoint),
        "targetSchema": target,
        "x-access": access,
    })
}

fn rel(endpoint: &EndpointInfo) -> &'static str {
    match (endpoint.method.as_str(), endpoint.answers) {
        ("GET", Answers::Many(_) | Answers::NoneOf(_)) => "instances",
        ("GET", _) => "self",
        ("POST", _) => "create",
        ("DELETE", Answers::Empty) => "empty",
        ("DELETE", _) => "destroy",
        _ => "update",
    }
}
