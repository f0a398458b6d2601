//! A client of the API in the same process: it asks, holds each answer
//! against the table of endpoints and the schema, and notes what it visited.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use api::{Answers, ApiConfig, EndpointInfo};
use axum::Router;
use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::{App, Secret};
use http::uri::Scheme;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use test_support::TestPlatform;
use tower::ServiceExt;

use crate::schema::Schema;

pub(crate) const HOST: &str = "localhost:5000";

/// The API of a platform of its own.
pub(crate) struct Server {
    pub(crate) platform: TestPlatform,
    router: Router,
    schema: Option<Arc<Schema>>,
    visited: Arc<Mutex<BTreeSet<(String, &'static str)>>>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut ApiConfig)) -> Self {
        let platform = TestPlatform::start().await;
        let mut config = ApiConfig::new(platform.platform.settings());
        change(&mut config);
        let router = api::router(platform.platform.clone(), config);
        let schema = Schema::load().map(Arc::new);
        Self { platform, router, schema, visited: Arc::default() }
    }

    /// Speaks with the operator's key.
    pub(crate) fn operator(&self) -> Client {
        self.with_key(&self.platform.key)
    }

    pub(crate) fn with_key(&self, key: &Secret) -> Client {
        self.with_authorization(&format!("Bearer {}", key.expose()))
    }

    pub(crate) fn with_authorization(&self, authorization: &str) -> Client {
        Client { authorization: Some(authorization.to_owned()), ..self.stranger() }
    }

    /// Comes with an e-mail address and a password.
    pub(crate) fn with_password(&self, email: &str, password: &str) -> Client {
        self.with_authorization(&format!("Basic {}", STANDARD.encode(format!("{email}:{password}"))))
    }

    /// Has no key.
    pub(crate) fn stranger(&self) -> Client {
        Client {
            router: self.router.clone(),
            schema: self.schema.clone(),
            visited: self.visited.clone(),
            authorization: None,
            headers: Vec::new(),
            scheme: None,
        }
    }

    pub(crate) fn visited(&self) -> BTreeSet<(String, &'static str)> {
        self.visited.lock().unwrap().clone()
    }

    /// Counts an endpoint as visited that this machine can't be made to answer.
    pub(crate) fn skip(&self, method: &str, path: &'static str) {
        self.visited.lock().unwrap().insert((method.to_owned(), path));
    }

    /// An app of the operator's, made by the API.
    pub(crate) async fn app(&self, name: &str) -> App {
        self.operator().post("/apps", serde_json::json!({ "name": name })).await.created();
        self.platform.store.apps().by_name(&name.parse().unwrap()).await.unwrap().unwrap()
    }

    /// The same with code: a release of a slug of these process types.
    pub(crate) async fn deployed(&self, name: &str, process_types: &[(&str, &str)]) -> App {
        let app = self.app(name).await;
        let slug = self.platform.slug(&app, process_types).await;
        let body = serde_json::json!({ "slug": slug });
        self.operator().post(&format!("/apps/{name}/releases"), body).await.created();
        app
    }
}

#[derive(Clone)]
pub(crate) struct Client {
    router: Router,
    schema: Option<Arc<Schema>>,
    visited: Arc<Mutex<BTreeSet<(String, &'static str)>>>,
    authorization: Option<String>,
    headers: Vec<(String, String)>,
    scheme: Option<Scheme>,
}

impl Client {
    /// Came in without TLS.
    pub(crate) fn over_http(self) -> Self {
        Self { scheme: Some(Scheme::HTTP), ..self }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, Body::empty()).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.ask(Method::POST, path, Body::from(body.to_string())).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        self.ask(Method::PUT, path, Body::from(body.to_string())).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Answer {
        self.ask(Method::PATCH, path, Body::from(body.to_string())).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.ask(Method::DELETE, path, Body::empty()).await
    }

    /// Posts a form.
    pub(crate) async fn submit(&self, path: &str, form: &str) -> Answer {
        let client = self.clone().header("content-type", "application/x-www-form-urlencoded");
        client.ask(Method::POST, path, Body::from(form.to_owned())).await
    }

    pub(crate) async fn ask(&self, method: Method, path: &str, body: Body) -> Answer {
        let response = self.stream(method.clone(), path, body).await;
        let (parts, body) = response.into_parts();
        let read = tokio::time::timeout(Duration::from_secs(60), body.collect()).await;
        let bytes = read.unwrap_or_else(|_| panic!("{method} {path} does not end")).unwrap().to_bytes();
        let answer = Answer {
            what: format!("{method} {path}"),
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8(bytes.to_vec()).unwrap(),
        };
        self.check(&method, path, &answer);
        answer
    }

    /// The answer as it comes, its body unread and unchecked.
    pub(crate) async fn stream(&self, method: Method, path: &str, body: Body) -> Response<Body> {
        let mut request = Request::builder().method(method).uri(path);
        if !self.headers.iter().any(|(name, _)| name == "host") {
            request = request.header("host", HOST);
        }
        if let Some(scheme) = &self.scheme {
            request = request.extension(scheme.clone());
        }
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization);
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        self.router.clone().oneshot(request.body(body).unwrap()).await.unwrap()
    }

    /// Holds an answer that went well against what its endpoint declares, and
    /// any other against the shape of problems.
    fn check(&self, method: &Method, path: &str, answer: &Answer) {
        let endpoint = endpoint(method, path);
        let ended_well = answer.status.is_success();
        if let Some(endpoint) = &endpoint
            && (ended_well || endpoint.answers == Answers::Problem)
        {
            self.visited.lock().unwrap().insert((endpoint.method.to_string(), endpoint.path));
        }
        if answer.status == StatusCode::NOT_MODIFIED {
            return;
        }
        if !ended_well {
            if answer.headers.get("content-type").is_some_and(|kind| kind == "text/html; charset=utf-8") {
                return; // a page for people
            }
            let problem = answer.json();
            assert!(problem["id"].is_string() && problem["message"].is_string(), "{} {}", answer.what, answer.text);
            return;
        }
        let endpoint = endpoint.unwrap_or_else(|| panic!("{} is not in the table", answer.what));
        let Some(schema) = &self.schema else { return };
        let each = |definition: &str, items: &Value| -> Vec<String> {
            items.as_array().expect("a list").iter().flat_map(|item| schema.faults(definition, item)).collect()
        };
        let faults = match endpoint.answers {
            Answers::One(definition) => schema.faults(definition, &answer.json()),
            Answers::Many(definition) => each(definition, &answer.json()),
            Answers::ConfigVars => schema.config_faults(&answer.json()),
            Answers::Empty => vec![answer.text.clone()].into_iter().filter(|text| text != "{}").collect(),
            Answers::NoneOf(_) => vec![answer.text.clone()].into_iter().filter(|text| text != "[]").collect(),
            Answers::Problem => vec!["this should be a problem".to_owned()],
            Answers::Stream | Answers::Other => Vec::new(),
        };
        assert!(faults.is_empty(), "{} is not as the schema says: {faults:#?}\n{}", answer.what, answer.text);
    }
}

/// The endpoint that a path belongs to; literal parts win over parameters.
pub(crate) fn endpoint(method: &Method, path: &str) -> Option<EndpointInfo> {
    let path = path.split('?').next().unwrap();
    let fits = |endpoint: &EndpointInfo| {
        let (template, parts): (Vec<_>, Vec<_>) = (endpoint.path.split('/').collect(), path.split('/').collect());
        template.len() == parts.len()
            && template.iter().zip(&parts).all(|(name, part)| name.starts_with('{') || name == part)
    };
    let parameters = |endpoint: &EndpointInfo| endpoint.path.matches('{').count();
    api::endpoints().into_iter().filter(|endpoint| endpoint.method == method && fits(endpoint)).min_by_key(parameters)
}

/// An answer with its body read.
#[derive(Debug)]
pub(crate) struct Answer {
    what: String,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    #[track_caller]
    pub(crate) fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}: {}", self.what, self.text);
        self.json()
    }

    #[track_caller]
    pub(crate) fn ok(&self) -> Value {
        self.expect(200)
    }

    #[track_caller]
    pub(crate) fn created(&self) -> Value {
        self.expect(201)
    }

    /// A refusal with this status and id; returns its message.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, id: &str) -> String {
        let problem = self.expect(status);
        assert_eq!(problem["id"], id, "{}: {}", self.what, self.text);
        problem["message"].as_str().unwrap().to_owned()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{}: {error}: {}", self.what, self.text))
    }

    #[track_caller]
    pub(crate) fn text_of(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("{}: no {name}", self.what)).to_str().unwrap()
    }
}
