//! What people and programs see when no dyno answers: a page, plain text or
//! JSON, each with the code and what to do.

use bytes::Bytes;
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, SERVER};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use serde_json::json;

use crate::{Body, Code, Refused};

/// What to say. None of the texts holds anything of the request but the app's
/// name, the host and the request id, all of which are of harmless characters.
pub(crate) struct Page {
    pub(crate) status: StatusCode,
    /// `H10`, …; `None` for what is not about an app.
    pub(crate) code: Option<Code>,
    /// A word for programs: `app_crashed`.
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    pub(crate) text: String,
    /// What to do, one command or sentence.
    pub(crate) hint: String,
    pub(crate) request_id: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Html,
    Json,
    Text,
}

impl Format {
    /// HTML for who takes it, or takes anything only because he takes all; a
    /// client that names JSON or text but no HTML gets that.
    pub(crate) fn wanted(headers: &HeaderMap) -> Self {
        let mut wanted = None;
        let ranges = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        for range in ranges.flat_map(|value| value.split(',')) {
            let media_type = range.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
            let named = match media_type.as_str() {
                "text/html" | "application/xhtml+xml" => return Self::Html,
                "text/plain" => Self::Text,
                json if json == "application/json" || json.ends_with("+json") => Self::Json,
                _ => continue,
            };
            wanted = wanted.or(Some(named));
        }
        wanted.unwrap_or(Self::Html)
    }
}

impl Page {
    pub(crate) fn failure(code: Code, app: &str, request_id: &str) -> Self {
        let logs = format!("heroku logs --tail -a {app}");
        let (id, title, text, hint) = match code {
            Code::H10 => ("app_crashed", APPLICATION_ERROR, "The app's web process has crashed.", logs),
            Code::H11 => (
                "backlog_too_deep",
                APPLICATION_ERROR,
                "More requests are waiting for the app than it can take.",
                format!("heroku ps:scale web+1 -a {app}"),
            ),
            Code::H12 => ("request_timeout", APPLICATION_ERROR, "The app did not answer in time.", logs),
            Code::H13 => ("no_response", APPLICATION_ERROR, "The app closed the connection without an answer.", logs),
            Code::H14 => (
                "no_web_processes",
                APPLICATION_ERROR,
                "The app has no web process running.",
                format!("heroku ps:scale web=1 -a {app}"),
            ),
            Code::H15 => ("idle_connection", APPLICATION_ERROR, "The app's answer stood still for too long.", logs),
            Code::H17 => ("malformed_response", APPLICATION_ERROR, "The app's answer is not proper HTTP.", logs),
            Code::H18 => ("interrupted", APPLICATION_ERROR, "The app broke off in the middle of its answer.", logs),
            Code::H19 => ("connect_timeout", APPLICATION_ERROR, "The app does not take connections.", logs),
            Code::H20 => ("boot_timeout", APPLICATION_ERROR, "The app has not finished starting.", logs),
            Code::H21 => ("connect_refused", APPLICATION_ERROR, "The app refuses connections.", logs),
            Code::H24 => ("forced_close", APPLICATION_ERROR, "The router was shut down.", TRY_AGAIN.to_owned()),
            Code::H25 => ("response_limit", APPLICATION_ERROR, "The app's answer passes a limit of the router.", logs),
            Code::H26 => ("bad_request", "Bad request", "The request can't be passed on.", MEND_REQUEST.to_owned()),
            Code::H27 | Code::H28 => {
                ("client_gone", "Request given up", "The request was not completed in time.", TRY_AGAIN.to_owned())
            }
            Code::H80 => (
                "maintenance",
                "Offline for maintenance",
                "The app is being worked on and will be back soon.",
                format!("heroku maintenance:off -a {app}"),
            ),
            Code::H81 => (
                "blank_app",
                "No code yet",
                "The app exists, but no code has been deployed to it.",
                "git push heroku main".to_owned(),
            ),
            Code::H99 => {
                ("platform_error", "Platform error", "The platform failed to reach the app.", TRY_AGAIN.to_owned())
            }
        };
        let text = text.to_owned();
        Self { status: code.status(), code: Some(code), id, title, text, hint, request_id: request_id.to_owned() }
    }

    pub(crate) fn no_such_app(host: &str) -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            code: None,
            id: "no_such_app",
            title: "No such app",
            text: format!("No app answers to {host}."),
            hint: "heroku apps lists your apps; heroku domains:add gives one of them another name.".to_owned(),
            request_id: String::new(),
        }
    }

    pub(crate) fn refused(refused: Refused) -> Self {
        Self {
            status: refused.status(),
            code: None,
            id: "bad_request",
            title: "Bad request",
            text: format!("The request can't be passed on: {refused}."),
            hint: MEND_REQUEST.to_owned(),
            request_id: String::new(),
        }
    }

    pub(crate) fn response(&self, format: Format) -> Response<Body> {
        let (media_type, text) = match format {
            Format::Html => ("text/html; charset=utf-8", self.html()),
            Format::Json => ("application/json", self.json()),
            Format::Text => ("text/plain; charset=utf-8", self.plain()),
        };
        let mut response = Response::new(Body::Page(Some(Bytes::from(text))));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, no-store"));
        headers.insert(SERVER, HeaderValue::from_static("renga"));
        response
    }

    /// Dyno's code, request id: the small print.
    fn marks(&self) -> String {
        let code = self.code.map(|code| format!("Code {code}: {}", code.description()));
        let id = (!self.request_id.is_empty()).then(|| format!("Request {}", self.request_id));
        code.into_iter().chain(id).collect::<Vec<_>>().join(" · ")
    }

    fn html(&self) -> String {
        let Self { title, text, hint, .. } = self;
        format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\n\
             <meta name=\"viewport\" content=\"width=device-width\">\n<style>{STYLE}</style></head>\n\
             <body><main><h1>{title}</h1><p>{text}</p><p><code>{hint}</code></p><small>{}</small></main></body></html>\n",
            self.marks()
        )
    }

    fn plain(&self) -> String {
        format!("{}\n{}\n{}\n{}\n", self.title, self.text, self.hint, self.marks())
    }

    fn json(&self) -> String {
        json!({
            "id": self.id,
            "code": self.code.map(|code| code.to_string()),
            "message": format!("{}: {}", self.title, self.text),
            "hint": self.hint,
            "request_id": self.request_id,
        })
        .to_string()
    }
}

const APPLICATION_ERROR: &str = "Application error";
const TRY_AGAIN: &str = "Try again in a moment.";
const MEND_REQUEST: &str = "Mend the request and send it again.";
const STYLE: &str = "body{margin:0;min-height:100vh;display:grid;place-items:center;background:#fbfaf8;color:#22252a;\
font:17px/1.5 system-ui,sans-serif}main{max-width:34rem;padding:2rem}h1{font-size:1.6rem;margin:0 0 .5rem}\
code{background:#efece6;padding:.15rem .4rem;border-radius:.25rem;font-size:.9em}small{color:#767a82}\
@media(prefers-color-scheme:dark){body{background:#17191c;color:#e8e6e1}code{background:#2a2d32}}";

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(accept: &str) -> Format {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_str(accept).unwrap());
        Format::wanted(&headers)
    }

    #[test]
    fn browsers_and_the_undemanding_get_html_and_programs_their_own() {
        assert_eq!(Format::wanted(&HeaderMap::new()), Format::Html);
        assert_eq!(wanted("*/*"), Format::Html);
        assert_eq!(wanted("application/json;q=0.1, text/html"), Format::Html);
        assert_eq!(wanted("application/json, text/plain, */*"), Format::Json);
        assert_eq!(wanted("application/vnd.heroku+json; version=3"), Format::Json);
        assert_eq!(wanted("text/plain"), Format::Text);
        assert_eq!(wanted("image/png"), Format::Html);
    }

    #[test]
    fn every_format_names_code_and_remedy() {
        let page = Page::failure(Code::H14, "shop", "some-id");
        for text in [page.html(), page.plain(), page.json()] {
            assert!(text.contains("H14") && text.contains("heroku ps:scale web=1 -a shop") && text.contains("some-id"));
        }
        assert!(page.html().contains("<h1>Application error</h1>"));
    }
}
