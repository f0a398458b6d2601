//! `renga access` and its kin: who may use the app.

use std::process::ExitCode;

use api_types::collaborator::Collaborator;
use serde_json::{Value, json};

use crate::api::typed;
use crate::app::{AppArgs, encoded};
use crate::moment::moment;
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
    let answer = app.list("/collaborators")?;
    if args.json.json {
        print_json(&Value::Array(answer))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new(&["ACCOUNT", "ROLE", "SINCE"]);
    for member in &answer {
        let member: Collaborator = typed(member)?;
        table.row([member.user.email.to_string(), member.role.unwrap_or_default(), moment(member.created_at)]);
    }
    table.print("Nobody may use it.")?;
    Ok(ExitCode::SUCCESS)
}

#[derive(Debug, clap::Args)]
pub struct MemberArgs {
    /// The account's e-mail address
    email: String,
    #[command(flatten)]
    app: AppArgs,
}

pub(crate) fn add(args: &MemberArgs) -> anyhow::Result<ExitCode> {
    let app = args.app.find()?;
    app.post("/collaborators", &json!({ "user": args.email }))?;
    println!("{} may use {} now", args.email, app.name);
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn remove(args: &MemberArgs) -> anyhow::Result<ExitCode> {
    let app = args.app.find()?;
    app.delete(&format!("/collaborators/{}", encoded(&args.email)))?;
    println!("{} may no longer use {}", args.email, app.name);
    Ok(ExitCode::SUCCESS)
}
