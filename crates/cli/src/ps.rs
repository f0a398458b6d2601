//! `renga ps` and its kin: dynos and the formation.

use std::process::ExitCode;
use std::str::FromStr;

use api_types::dyno::Dyno;
use api_types::formation::Formation;
use serde_json::{Value, json};

use crate::api::typed;
use crate::app::{AppArgs, encoded};
use crate::moment::moment;
use crate::style::{Colour, Style};
use crate::table::{JsonArg, Table, print_json};

#[derive(Debug, clap::Args)]
pub struct ListArgs {
    #[command(flatten)]
    json: JsonArg,
    #[command(flatten)]
    app: AppArgs,
}

pub(crate) fn list(args: &ListArgs) -> anyhow::Result<ExitCode> {
    let app = args.app.find()?;
    let mut answer = app.list("/dynos")?;
    answer.sort_by_key(|dyno| in_order(dyno["name"].as_str().unwrap_or_default()));
    if args.json.json {
        print_json(&Value::Array(answer))?;
        return Ok(ExitCode::SUCCESS);
    }
    let style = Style::of_stdout();
    let mut table = Table::new(&["DYNO", "STATE", "SINCE", "SIZE", "RELEASE", "COMMAND"]);
    for dyno in &answer {
        let dyno: Dyno = typed(dyno)?;
        let release = format!("v{}", dyno.release.version);
        table.row([dyno.name, dyno.state, moment(dyno.updated_at), dyno.size, release, dyno.command]);
    }
    table.print(&format!("No dyno of {} runs; scale it: renga ps:scale web=1", app.name))?;
    if answer.iter().any(|dyno| dyno["state"] == "crashed") {
        let hint = format!("A dyno has crashed; its last words: renga logs --app {}", app.name);
        eprintln!("{}", style.paint(Colour::Red, &hint));
    }
    Ok(ExitCode::SUCCESS)
}

/// `web.2` comes before `web.10`.
fn in_order(name: &str) -> (String, u32) {
    let (process, number) = name.rsplit_once('.').unwrap_or((name, "0"));
    (process.to_owned(), number.parse().unwrap_or(0))
}

#[derive(Debug, clap::Args)]
pub struct ScaleArgs {
    /// TYPE=NUMBER, TYPE+NUMBER, TYPE-NUMBER, TYPE=NUMBER:SIZE; without any, what is set is shown
    #[arg(value_name = "TYPE=NUMBER")]
    changes: Vec<Scale>,
    #[command(flatten)]
    json: JsonArg,
    #[command(flatten)]
    app: AppArgs,
}

pub(crate) fn scale(args: &ScaleArgs) -> anyhow::Result<ExitCode> {
    let app = args.app.find()?;
    let answer = if args.changes.is_empty() {
        Value::Array(app.list("/formation")?)
    } else {
        let updates: Vec<Value> = args.changes.iter().map(Scale::update).collect();
        app.patch("/formation", &json!({ "updates": updates }))?
    };
    if args.json.json {
        print_json(&answer)?;
        return Ok(ExitCode::SUCCESS);
    }
    let formation: Vec<Formation> = typed(&answer)?;
    let mut table = Table::new(&["TYPE", "DYNOS", "SIZE", "COMMAND"]);
    for process in formation {
        table.row([process.process_type.to_string(), process.quantity.to_string(), process.size, process.command]);
    }
    table.print(&format!("{} has no process types yet: push code with a Procfile first (renga push)", app.name))?;
    Ok(ExitCode::SUCCESS)
}

/// A change to one process type.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Scale {
    process_type: String,
    /// `2`, `+1` or `-1`, as the API takes it; `None`: only the size changes.
    quantity: Option<String>,
    size: Option<String>,
}

impl Scale {
    fn update(&self) -> Value {
        let mut update = json!({ "type": self.process_type });
        for (field, value) in [("quantity", &self.quantity), ("size", &self.size)] {
            if let Some(value) = value {
                update[field] = json!(value);
            }
        }
        update
    }
}

impl FromStr for Scale {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let malformed = || "write it as web=2, web+1, web-1, web=2:standard-2x or web=:standard-2x".to_owned();
        let (process_type, wish) = match text.split_once('=') {
            Some((process_type, wish)) => (process_type, wish.to_owned()),
            None => {
                let sign = text.rfind(['+', '-']).ok_or_else(malformed)?;
                (&text[..sign], text[sign..].to_owned())
            }
        };
        let (quantity, size) = match wish.split_once(':') {
            Some((quantity, size)) => (quantity, Some(size.to_owned())),
            None => (wish.as_str(), None),
        };
        let digits = quantity.strip_prefix(['+', '-']).unwrap_or(quantity);
        let is_quantity = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let only_size = quantity.is_empty() && size.is_some();
        if process_type.is_empty() || size.as_deref() == Some("") || !(is_quantity || only_size) {
            return Err(malformed());
        }
        let quantity = is_quantity.then(|| quantity.to_owned());
        Ok(Self { process_type: process_type.to_owned(), quantity, size })
    }
}

#[derive(Debug, clap::Args)]
pub struct DynoArgs {
    /// A dyno (web.1) or a process type (web); without one, all
    dyno: Option<String>,
    #[command(flatten)]
    app: AppArgs,
}

pub(crate) fn restart(args: &DynoArgs) -> anyhow::Result<ExitCode> {
    let app = args.app.find()?;
    match args.dyno.as_deref() {
        None => app.delete("/dynos")?,
        Some(dyno) if dyno.contains('.') => app.delete(&format!("/dynos/{}", encoded(dyno)))?,
        Some(process_type) => app.delete(&format!("/formations/{}", encoded(process_type)))?,
    };
    println!("Restarting {} of {}", args.dyno.as_deref().unwrap_or("all dynos"), app.name);
    Ok(ExitCode::SUCCESS)
}

#[derive(Debug, clap::Args)]
pub struct StopArgs {
    /// A dyno (run.1234, web.1) or a process type
    dyno: String,
    #[command(flatten)]
    app: AppArgs,
}

pub(crate) fn stop(args: &StopArgs) -> anyhow::Result<ExitCode> {
    let app = args.app.find()?;
    let kind = if args.dyno.contains('.') { "dynos" } else { "formations" };
    app.post(&format!("/{kind}/{}/actions/stop", encoded(&args.dyno)), &json!({}))?;
    println!("Stopping {} of {}", args.dyno, app.name);
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scale(text: &str) -> Option<(String, Option<String>, Option<String>)> {
        text.parse::<Scale>().ok().map(|scale| (scale.process_type, scale.quantity, scale.size))
    }

    fn is(
        process_type: &str,
        quantity: Option<&str>,
        size: Option<&str>,
    ) -> Option<(String, Option<String>, Option<String>)> {
        Some((process_type.to_owned(), quantity.map(str::to_owned), size.map(str::to_owned)))
    }

    #[test]
    fn a_change_is_a_number_a_delta_or_a_size() {
        assert_eq!(scale("web=2"), is("web", Some("2"), None));
        assert_eq!(scale("web+1"), is("web", Some("+1"), None));
        assert_eq!(scale("mail-worker-1"), is("mail-worker", Some("-1"), None));
        assert_eq!(scale("mail-worker=3"), is("mail-worker", Some("3"), None));
        assert_eq!(scale("web=2:standard-2x"), is("web", Some("2"), Some("standard-2x")));
        assert_eq!(scale("web=:basic"), is("web", None, Some("basic")));
        for bad in ["web", "=2", "web=", "web=x", "web+", "web=2:", "web-x"] {
            assert_eq!(scale(bad), None, "{bad}");
        }
    }

    #[test]
    fn dynos_are_in_the_order_of_their_numbers() {
        let mut names = ["web.10", "worker.1", "web.2"];
        names.sort_by_key(|name| in_order(name));
        assert_eq!(names, ["web.2", "web.10", "worker.1"]);
    }
}
