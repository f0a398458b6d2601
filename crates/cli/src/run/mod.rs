//! `renga run`: a one-off dyno, attached to this terminal or on its own.

mod session;
mod status;
mod terminal;

use std::io::IsTerminal;
use std::process::ExitCode;

use anyhow::{Context, bail};
use api_types::dyno::Dyno;
use serde_json::{Map, Value, json};

use crate::api::typed;
use crate::app::AppArgs;
use crate::config::assignment;
use crate::style::{Colour, Style};
use session::Session;
use status::MARK;
use terminal::RawMode;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Go on without this terminal; its output goes to the logs
    #[arg(long)]
    detached: bool,
    /// A variable for this run only
    #[arg(long, short, value_name = "KEY=VALUE", value_parser = assignment)]
    env: Vec<(String, String)>,
    /// The dyno's size
    #[arg(long, short)]
    size: Option<String>,
    /// The process type it counts as
    #[arg(long = "type", value_name = "TYPE")]
    process_type: Option<String>,
    /// Give it pipes in place of a terminal
    #[arg(long)]
    no_tty: bool,
    #[command(flatten)]
    app: AppArgs,
    /// What to run: one word is a line for the shell, several are the words of a command
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// The exit code is the program's own.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let app =
        args.app.find().map_err(|error| match args.command.iter().any(|word| word == "-a" || word == "--app") {
            true => error.context("options of `renga run` come before the command: renga run --app NAME COMMAND"),
            false => error,
        })?;
    let command = line(&args.command);
    let tty = !args.no_tty && !args.detached && std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let mut env: Map<String, Value> = args.env.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
    if tty {
        env.extend(terminal::variables());
    }
    let told = if args.detached { command.clone() } else { asking_for_status(&command) };
    let mut wish = json!({ "command": told, "attach": !args.detached, "env": env, "force_no_tty": !tty });
    for (field, value) in [("size", &args.size), ("type", &args.process_type)] {
        if let Some(value) = value {
            wish[field] = json!(value);
        }
    }
    let dyno: Dyno = typed(&app.post("/dynos", &wish)?)?;
    if args.detached {
        println!("Running `{command}` on {} as {}", app.name, dyno.name);
        println!("Its output: renga logs --app {} --dyno {}", app.name, dyno.name);
        return Ok(ExitCode::SUCCESS);
    }
    let shown = format!("Running `{command}` on {} as {} ({})", app.name, dyno.name, dyno.size);
    eprintln!("{}", Style::of_stderr().paint(Colour::Bold, &shown));
    let url = dyno.attach_url.context("the server gave no place to attach to")?;
    let session = Session::open(&url, app.api.server())?;
    let raw = if tty { Some(RawMode::enter()?) } else { None };
    let status = session.relay(tty);
    drop(raw);
    match status? {
        Some(status) => Ok(ExitCode::from(status)),
        None => bail!(
            "the connection ended before the program did, or it ended without a status; see renga logs --app {} --dyno {}",
            app.name,
            dyno.name
        ),
    }
}

/// The official CLI makes the shell print the mark and the status at the end.
/// The server tells them itself if the command does not, but only to a client
/// that knows the mark: a comment is enough for that, and leaves the status
/// of the command what it is.
fn asking_for_status(command: &str) -> String {
    format!("{command} # {}", MARK.trim_end())
}

/// As the official CLI does it: one word goes to the shell as it is; of several,
/// those with blanks or quotes in them are put in double quotes.
fn line(words: &[String]) -> String {
    if let [line] = words {
        return line.clone();
    }
    let quoted =
        words.iter().map(|word| match word.contains([' ', '"', '\t', '\n', ';', '&', '|', '(', ')', '<', '>']) {
            true => format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\"")),
            false if word.is_empty() => "\"\"".to_owned(),
            false => word.clone(),
        });
    quoted.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stay_words_and_a_line_stays_a_line() {
        let line = |words: &[&str]| line(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
        assert_eq!(line(&["ls -l | wc"]), "ls -l | wc");
        assert_eq!(line(&["rake", "db:migrate"]), "rake db:migrate");
        assert_eq!(line(&["sh", "-c", "exit 7"]), r#"sh -c "exit 7""#);
        assert_eq!(line(&["echo", r#"a "b""#, ""]), r#"echo "a \"b\"" """#);
        assert_eq!(line(&["echo", "a;b"]), r#"echo "a;b""#);
    }
}
