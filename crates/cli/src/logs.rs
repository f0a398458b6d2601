//! `renga logs`: the app's lines, and those that follow.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use api_types::log_session::{CreateLogSession, LogSession};
use serde_json::json;

use crate::api::typed;
use crate::app::{App, AppArgs};
use crate::style::{Colour, Style};
use crate::table::JsonArg;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Go on with what comes
    #[arg(long, short)]
    tail: bool,
    /// How many past lines
    #[arg(long, short, default_value_t = 100)]
    num: u32,
    /// Whose lines: the app's own or the platform's
    #[arg(long, short, value_enum)]
    source: Option<Source>,
    /// Lines of one dyno (web.1), of a process type (web) or of the router
    #[arg(long, short)]
    dyno: Option<String>,
    #[command(flatten)]
    json: JsonArg,
    #[command(flatten)]
    app: AppArgs,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Source {
    App,
    Heroku,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let app = args.app.find()?;
    let source = args.source.map(|source| match source {
        Source::App => "app".to_owned(),
        Source::Heroku => "heroku".to_owned(),
    });
    let wish = CreateLogSession {
        dyno: args.dyno.clone(),
        lines: Some(args.num),
        source,
        tail: Some(args.tail),
        ..CreateLogSession::default()
    };
    let session: LogSession = typed(&app.post("/log-sessions", &serde_json::to_value(wish)?)?)?;
    let style = Style::of_stdout();
    let show = |line: &str| if args.json.json { as_json(line) } else { coloured(line, style) };
    match follow(&app, &session.logplex_url, args.tail, &show) {
        // Whoever read us (`head`, say) has enough.
        Err(error) if is_broken_pipe(&error) => Ok(ExitCode::SUCCESS),
        outcome => outcome.map(|()| ExitCode::SUCCESS),
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}

/// Shows a session's lines. A tail that was cut off goes on after the last
/// line that was shown: a restart of the server loses nothing.
fn follow(app: &App, url: &str, tail: bool, show: &dyn Fn(&str) -> String) -> anyhow::Result<()> {
    const TRIES: u32 = 30;
    const PAUSE: Duration = Duration::from_secs(1);
    let mut last: Option<String> = None;
    let mut was_connected = false;
    let mut failed = 0;
    loop {
        let mut headers = vec![("Accept", "text/event-stream")];
        headers.extend(last.as_deref().map(|id| ("Last-Event-ID", id)));
        match app.api.stream(url, &headers) {
            Ok(stream) => {
                (was_connected, failed) = (true, 0);
                let mut events = Events(BufReader::new(stream));
                loop {
                    match events.next_line() {
                        Ok(Some((id, line))) => {
                            let mut stdout = std::io::stdout().lock();
                            writeln!(stdout, "{}", show(&line))?;
                            stdout.flush()?;
                            last = id.or(last);
                        }
                        Err(error) if !tail => return Err(error).context("the log broke off"),
                        // For a tail an error and an end mean the same: it was cut off.
                        Ok(None) | Err(_) => break,
                    }
                }
            }
            Err(error) if !was_connected || failed == TRIES => return Err(error),
            Err(_) => failed += 1,
        }
        if !tail {
            return Ok(());
        }
        std::thread::sleep(PAUSE);
    }
}

/// Server-sent events, one log line each.
struct Events<R>(R);

impl<R: BufRead> Events<R> {
    /// The next line and its id; `None` at the end.
    fn next_line(&mut self) -> std::io::Result<Option<(Option<String>, String)>> {
        let (mut id, mut data) = (None, None);
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line)? == 0 {
                return Ok(None);
            }
            match line.trim_end_matches(['\n', '\r']) {
                "" => {
                    if let Some(data) = data.take() {
                        return Ok(Some((id, data)));
                    }
                }
                // What begins with a colon is a sign of life.
                line => match line.split_once(": ") {
                    Some(("id", value)) => id = Some(value.to_owned()),
                    Some(("data", value)) => data = Some(value.to_owned()),
                    _ => {}
                },
            }
        }
    }
}

/// `TIME SOURCE[PROCESS]: TEXT` in its parts.
fn parts(line: &str) -> Option<(&str, &str, &str, &str)> {
    let (head, text) = line.split_once("]: ").or_else(|| Some((line.strip_suffix("]:")?, "")))?;
    let (time, from) = head.split_once(' ')?;
    let (source, process) = from.split_once('[')?;
    Some((time, source, process, text))
}

/// Each process has a colour of its own; what went wrong is red.
fn coloured(line: &str, style: Style) -> String {
    const COLOURS: [Colour; 5] = [Colour::Cyan, Colour::Yellow, Colour::Green, Colour::Magenta, Colour::Blue];
    let Some((time, source, process, text)) = parts(line) else { return line.to_owned() };
    let is_error = source == "heroku" && (text.starts_with("Error ") || text.starts_with("at=error"));
    let index = process.bytes().fold(0_usize, |sum, byte| sum + usize::from(byte)) % COLOURS.len();
    let head = style.paint(COLOURS[index], &format!("{time} {source}[{process}]:"));
    let text = if is_error { style.paint(Colour::Red, text) } else { text.to_owned() };
    format!("{head} {text}")
}

fn as_json(line: &str) -> String {
    match parts(line) {
        Some((time, source, process, text)) => {
            json!({ "time": time, "source": source, "process": process, "text": text }).to_string()
        }
        None => json!({ "text": line }).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "2026-01-01T00:00:00.000000+00:00 app[web.1]: hello: [x]: y";

    #[test]
    fn events_are_lines_with_their_ids() {
        let text = format!(": alive\n\nid: 7\ndata: {LINE}\n\n: alive\n\nid: 8\ndata: \n\nid: 9\n");
        let mut events = Events(text.as_bytes());
        assert_eq!(events.next_line().unwrap(), Some((Some("7".to_owned()), LINE.to_owned())));
        assert_eq!(events.next_line().unwrap(), Some((Some("8".to_owned()), String::new())));
        assert_eq!(events.next_line().unwrap(), None);
    }

    #[test]
    fn a_line_is_taken_apart_at_its_first_marks() {
        let expected = ("2026-01-01T00:00:00.000000+00:00", "app", "web.1", "hello: [x]: y");
        assert_eq!(parts(LINE), Some(expected));
        assert_eq!(parts("no line"), None);
        let json: serde_json::Value = serde_json::from_str(&as_json(LINE)).unwrap();
        assert_eq!((&json["process"], &json["text"]), (&json!("web.1"), &json!("hello: [x]: y")));
    }

    #[test]
    fn without_colours_a_line_is_shown_as_it_came() {
        assert_eq!(coloured(LINE, Style::with(false)), LINE);
        assert!(coloured(LINE, Style::with(true)).ends_with("\u{1b}[0m hello: [x]: y"));
    }
}
