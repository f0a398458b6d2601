//! `renga domains` and its kin: host names of the app's own.

use std::process::ExitCode;

use api_types::domain_name::Domain;
use serde_json::{Value, json};

use crate::api::typed;
use crate::app::{AppArgs, encoded};
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
    let answer = app.list("/domains")?;
    if args.json.json {
        print_json(&Value::Array(answer))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new(&["NAME", "KIND", "DNS TARGET"]);
    for domain in &answer {
        let domain: Domain = typed(domain)?;
        let kind = if domain.kind == "custom" { "custom" } else { "the app's own" };
        table.row([domain.hostname, kind.to_owned(), domain.cname.unwrap_or_default()]);
    }
    table.print(&format!("{} has no domains", app.name))?;
    Ok(ExitCode::SUCCESS)
}

#[derive(Debug, clap::Args)]
pub struct NameArgs {
    /// www.example.com
    hostname: String,
    #[command(flatten)]
    app: AppArgs,
}

pub(crate) fn add(args: &NameArgs) -> anyhow::Result<ExitCode> {
    let app = args.app.find()?;
    let answer = app.post("/domains", &json!({ "hostname": args.hostname, "sni_endpoint": null }))?;
    let domain: Domain = typed(&answer)?;
    println!("Added {} to {}", domain.hostname, app.name);
    match domain.cname {
        Some(target) => println!("Point its DNS to {target}, or to this server's address."),
        None => println!("Point its DNS to this server's address."),
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn remove(args: &NameArgs) -> anyhow::Result<ExitCode> {
    let app = args.app.find()?;
    app.delete(&format!("/domains/{}", encoded(&args.hostname)))?;
    println!("Removed {} from {}", args.hostname, app.name);
    Ok(ExitCode::SUCCESS)
}
