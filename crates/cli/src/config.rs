//! `renga config` and its kin: the app's environment.

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::{Context, bail};
use serde_json::{Map, Value};

use crate::api::typed;
use crate::app::{App, AppArgs};
use crate::environment::quoted;
use crate::nearest::did_you_mean;
use crate::table::{JsonArg, Table, print_json};

#[derive(Debug, clap::Args)]
pub struct ShowArgs {
    /// Only this one's value, and nothing else
    key: Option<String>,
    /// As lines of a shell: KEY=value
    #[arg(long, short, conflicts_with = "json")]
    shell: bool,
    #[command(flatten)]
    json: JsonArg,
    #[command(flatten)]
    app: AppArgs,
}

pub(crate) fn show(args: &ShowArgs) -> anyhow::Result<ExitCode> {
    let app = args.app.find()?;
    let answer = app.get("/config-vars")?;
    let vars: BTreeMap<String, String> = typed(&answer)?;
    if let Some(key) = &args.key {
        let value = vars.get(key).with_context(|| unknown(&app, key, &vars))?;
        println!("{}", if args.shell { format!("{key}={}", quoted(value)) } else { value.clone() });
    } else if args.json.json {
        print_json(&answer)?;
    } else if args.shell {
        vars.iter().for_each(|(key, value)| println!("{key}={}", quoted(value)));
    } else {
        let mut table = Table::new(&["KEY", "VALUE"]);
        vars.into_iter().for_each(|(key, value)| table.row([key, value]));
        table.print(&format!("{} has no config vars yet; set one: renga config:set KEY=VALUE", app.name))?;
    }
    Ok(ExitCode::SUCCESS)
}

#[derive(Debug, clap::Args)]
pub struct SetArgs {
    /// KEY=VALUE, one or more
    #[arg(required = true, value_name = "KEY=VALUE", value_parser = assignment)]
    vars: Vec<(String, String)>,
    #[command(flatten)]
    app: AppArgs,
}

pub(crate) fn set(args: &SetArgs) -> anyhow::Result<ExitCode> {
    let app = args.app.find()?;
    let changes: Map<String, Value> =
        args.vars.iter().map(|(key, value)| (key.clone(), value.as_str().into())).collect();
    let keys = listed(args.vars.iter().map(|(key, _)| key.as_str()));
    change(&app, changes, &format!("Set {keys}"))
}

#[derive(Debug, clap::Args)]
pub struct UnsetArgs {
    #[arg(required = true, value_name = "KEY")]
    keys: Vec<String>,
    #[command(flatten)]
    app: AppArgs,
}

pub(crate) fn unset(args: &UnsetArgs) -> anyhow::Result<ExitCode> {
    let app = args.app.find()?;
    let vars: BTreeMap<String, String> = typed(&app.get("/config-vars")?)?;
    if let Some(key) = args.keys.iter().find(|key| !vars.contains_key(*key)) {
        bail!(unknown(&app, key, &vars));
    }
    let changes: Map<String, Value> = args.keys.iter().map(|key| (key.clone(), Value::Null)).collect();
    change(&app, changes, &format!("Unset {}", listed(args.keys.iter().map(String::as_str))))
}

fn change(app: &App, changes: Map<String, Value>, done: &str) -> anyhow::Result<ExitCode> {
    app.patch("/config-vars", &Value::Object(changes))?;
    let latest = app.latest("/releases", "version", 1)?;
    let release = latest.first().and_then(|release| release["version"].as_u64());
    println!("{done} on {}{}", app.name, release.map(|version| format!(" (v{version})")).unwrap_or_default());
    Ok(ExitCode::SUCCESS)
}

fn unknown(app: &App, key: &str, vars: &BTreeMap<String, String>) -> String {
    format!("{} has no config var `{key}`.{}", app.name, did_you_mean(key, vars.keys().map(String::as_str)))
}

fn listed<'a>(keys: impl Iterator<Item = &'a str>) -> String {
    keys.collect::<Vec<_>>().join(", ")
}

/// The first `=` divides; what is behind it is taken as it is.
pub(crate) fn assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write it as KEY=VALUE".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_may_hold_anything() {
        let pair = |key: &str, value: &str| Ok((key.to_owned(), value.to_owned()));
        assert_eq!(assignment("A=b=c d"), pair("A", "b=c d"));
        assert_eq!(assignment("A="), pair("A", ""));
        assert!(assignment("A").is_err() && assignment("=b").is_err());
    }
}
