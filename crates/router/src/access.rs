//! The access line: one per request, in logfmt, with Heroku's fields.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use domain::{AppId, DynoName};
use http::StatusCode;
use proxy::Scheme;
use tokio::time::Instant;

use crate::Code;
use crate::code::Failure;

/// Takes the lines. It is called from the request's own task, so it must
/// return at once: a full queue drops and counts.
pub type AccessSink = Arc<dyn Fn(AppId, String) + Send + Sync>;

/// A request on its way to its line. Dropped before it was finished, it
/// writes that the client went away: that is what cancels a request.
pub(crate) struct Access {
    sink: AccessSink,
    entry: Option<Entry>,
}

/// What the line tells.
pub(crate) struct Entry {
    pub(crate) app: AppId,
    pub(crate) method: http::Method,
    pub(crate) path: String,
    pub(crate) host: String,
    pub(crate) request_id: String,
    pub(crate) forwarded_for: String,
    pub(crate) protocol: Scheme,
    /// The dyno, and from when it had the request.
    pub(crate) dyno: Option<DynoName>,
    pub(crate) connect: Option<Duration>,
    pub(crate) sent_at: Option<Instant>,
}

impl Access {
    pub(crate) fn new(sink: AccessSink, entry: Entry) -> Self {
        Self { sink, entry: Some(entry) }
    }

    pub(crate) fn request_id(&self) -> &str {
        self.entry.as_ref().map_or("", |entry| &entry.request_id)
    }

    pub(crate) fn tries(&mut self, dyno: &DynoName) {
        if let Some(entry) = &mut self.entry {
            entry.dyno = Some(dyno.clone());
        }
    }

    pub(crate) fn connected(&mut self, connect: Duration, sent_at: Option<Instant>) {
        if let Some(entry) = &mut self.entry {
            entry.connect = Some(connect);
            entry.sent_at = sent_at;
        }
    }

    /// The request was answered with this status, and `bytes` of body.
    pub(crate) fn answered(mut self, status: StatusCode, bytes: u64) {
        self.write(None, status, bytes);
    }

    /// It failed; `bytes` of a dyno's body had been passed on.
    pub(crate) fn failed(self, failure: Failure, bytes: u64) {
        self.failed_as(failure, failure.code.status(), bytes);
    }

    pub(crate) fn failed_as(mut self, failure: Failure, status: StatusCode, bytes: u64) {
        self.write(Some(failure), status, bytes);
    }

    fn write(&mut self, failure: Option<Failure>, status: StatusCode, bytes: u64) {
        if let Some(entry) = self.entry.take() {
            (self.sink)(entry.app, entry.line(failure, status, bytes));
        }
    }
}

impl Drop for Access {
    fn drop(&mut self) {
        self.write(Some(Code::H27.into()), Code::H27.status(), 0);
    }
}

impl Entry {
    fn line(&self, failure: Option<Failure>, status: StatusCode, bytes: u64) -> String {
        let mut line = String::with_capacity(256 + self.path.len());
        match failure {
            None => line.push_str("at=info"),
            Some(failure) => write_failure(&mut line, failure),
        }
        line.push_str(" method=");
        line.push_str(self.method.as_str());
        line.push_str(" path=");
        quote(&mut line, &self.path);
        line.push_str(" host=");
        line.push_str(&self.host);
        line.push_str(" request_id=");
        line.push_str(&self.request_id);
        line.push_str(" fwd=");
        quote(&mut line, &self.forwarded_for);
        let millis =
            |duration: Option<Duration>| duration.map_or_else(String::new, |it| format!("{}ms", it.as_millis()));
        let dyno = self.dyno.as_ref().map_or_else(String::new, DynoName::to_string);
        let connect = millis(self.connect);
        let service = millis(self.sent_at.map(|at| at.elapsed()));
        // No dyno has had the request, so there are no bytes of one to count.
        let bytes = if self.sent_at.is_some() { bytes.to_string() } else { String::new() };
        // Writing to a String can't fail.
        let _ = write!(
            line,
            " dyno={dyno} connect={connect} service={service} status={} bytes={bytes} protocol={}",
            status.as_u16(),
            self.protocol.as_str()
        );
        line
    }
}

fn write_failure(line: &mut String, Failure { code, cause }: Failure) {
    if let Some(sock) = code.sock() {
        let _ = write!(line, "sock={sock} ");
    }
    let _ = write!(line, "at={} code={code}", code.level());
    let description = code.description();
    let _ = match cause {
        Some(cause) if code == Code::H25 => write!(line, " desc=\"{description}: {cause}\""),
        Some(cause) => write!(line, " desc=\"{description}\" cause=\"{cause}\""),
        None => write!(line, " desc=\"{description}\""),
    };
}

/// Quotes so that no value can end its field or its line.
fn quote(line: &mut String, value: &str) {
    line.push('"');
    for char in value.chars() {
        match char {
            '"' => line.push_str("\\\""),
            '\\' => line.push_str("\\\\"),
            control if control.is_control() => line.extend(control.escape_unicode()),
            other => line.push(other),
        }
    }
    line.push('"');
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    fn entry() -> Entry {
        Entry {
            app: AppId(uuid::Uuid::nil()),
            method: http::Method::GET,
            path: "/a?b=c".to_owned(),
            host: "app.localhost".to_owned(),
            request_id: "0123456789abcdef0123".to_owned(),
            forwarded_for: "1.2.3.4, 5.6.7.8".to_owned(),
            protocol: Scheme::Https,
            dyno: Some("web.1".parse().unwrap()),
            connect: Some(Duration::from_millis(1)),
            sent_at: Some(Instant::now()),
        }
    }

    const REST: &str =
        r#"method=GET path="/a?b=c" host=app.localhost request_id=0123456789abcdef0123 fwd="1.2.3.4, 5.6.7.8""#;

    #[tokio::test(start_paused = true)]
    async fn the_fields_and_their_order_are_heroku_s() {
        assert_eq!(
            entry().line(None, StatusCode::OK, 13),
            format!("at=info {REST} dyno=web.1 connect=1ms service=0ms status=200 bytes=13 protocol=https")
        );
        let unserved = Entry { dyno: None, connect: None, sent_at: None, ..entry() };
        assert_eq!(
            unserved.line(Some(Code::H14.into()), Code::H14.status(), 0),
            format!(
                r#"at=error code=H14 desc="No web processes running" {REST} dyno= connect= service= status=503 bytes= protocol=https"#
            )
        );
    }

    #[test]
    fn codes_carry_their_level_their_side_and_their_cause() {
        let start =
            |failure| entry().line(Some(failure), StatusCode::OK, 0).split(" method").next().unwrap().to_owned();
        assert_eq!(start(Code::H18.into()), r#"sock=backend at=error code=H18 desc="Server Request Interrupted""#);
        assert_eq!(start(Code::H27.into()), r#"sock=client at=warning code=H27 desc="Client Request Interrupted""#);
        assert_eq!(start(Code::H80.into()), r#"at=info code=H80 desc="Maintenance mode""#);
        assert_eq!(
            start(Failure { code: Code::H25, cause: Some("oversized cookie") }),
            r#"at=error code=H25 desc="HTTP restriction: oversized cookie""#
        );
        assert_eq!(
            start(Failure { code: Code::H26, cause: Some("bad chunk") }),
            r#"at=error code=H26 desc="Request Error" cause="bad chunk""#
        );
    }

    #[test]
    fn no_value_forges_a_field_or_a_line() {
        let forged = Entry {
            path: "/\" status=200 \\".to_owned(),
            forwarded_for: "a\"\nat=info\u{1b}[31m".to_owned(),
            ..entry()
        };
        let line = forged.line(None, StatusCode::OK, 0);
        assert!(line.contains(r#"path="/\" status=200 \\" host="#), "{line}");
        assert!(line.contains(r#"fwd="a\"\u{a}at=info\u{1b}[31m" dyno="#), "{line}");
        assert!(!line.contains('\n'));
    }

    #[test]
    fn a_request_that_is_dropped_was_given_up_by_its_client() {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let sink = lines.clone();
        drop(Access::new(Arc::new(move |_, line| sink.lock().unwrap().push(line)), entry()));
        let lines = lines.lock().unwrap();
        assert!(lines[0].starts_with("sock=client at=warning code=H27"), "{lines:?}");
        assert_eq!(lines.len(), 1);
    }
}
