//! `renga accounts:create`: an account, made by the owner.

use std::process::ExitCode;

use anyhow::Context;
use serde_json::json;

use crate::api::Api;
use crate::server::ServerArgs;

#[derive(Debug, clap::Args)]
pub struct CreateArgs {
    #[command(flatten)]
    server: ServerArgs,
    email: String,
    /// The person's name
    #[arg(long)]
    name: Option<String>,
}

/// Prints the password alone on stdout, so that a script can take it.
pub(crate) fn create(args: &CreateArgs) -> anyhow::Result<ExitCode> {
    let api = Api::of(args.server.find()?)?;
    let mut wish = json!({ "email": args.email });
    if let Some(name) = &args.name {
        wish["name"] = json!(name);
    }
    let answer = api.post("/accounts", &wish)?;
    let password = answer["one_time_password"].as_str().context("the server's answer holds no password")?;
    eprintln!(
        "Created the account {}. It logs in with `renga login` (or `heroku login -i`) and this password, shown once:",
        args.email
    );
    println!("{password}");
    Ok(ExitCode::SUCCESS)
}
