//! `renga create`, `apps`, `info`, `open`, `destroy`.

use std::io::{ErrorKind, Write};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, bail};
use api_types::app::App as Shown;
use serde_json::{Value, json};

use crate::api::{Api, typed};
use crate::app::AppArgs;
use crate::git::{self, Repository};
use crate::moment::moment;
use crate::prompt;
use crate::server::ServerArgs;
use crate::table::{JsonArg, Table, print_fields, print_json};

#[derive(Debug, clap::Args)]
pub struct CreateArgs {
    /// Its name; without one the platform makes one up
    name: Option<String>,
    /// The stack: a base system for its builds and dynos
    #[arg(long)]
    stack: Option<String>,
    /// The git remote to make for it
    #[arg(long, short, default_value = git::REMOTE)]
    remote: String,
    /// Leave git as it is
    #[arg(long)]
    no_remote: bool,
    #[command(flatten)]
    json: JsonArg,
    #[command(flatten)]
    server: ServerArgs,
}

pub(crate) fn create(args: &CreateArgs) -> anyhow::Result<ExitCode> {
    let api = Api::of(args.server.find()?)?;
    let mut wish = json!({});
    for (field, value) in [("name", &args.name), ("stack", &args.stack)] {
        if let Some(value) = value {
            wish[field] = json!(value);
        }
    }
    let answer = api.post("/apps", &wish)?;
    let app: Shown = typed(&answer)?;
    let repository = if args.no_remote { None } else { Repository::here() };
    let has_remote = match &repository {
        Some(repository) => repository.add_remote(&args.remote, &app.git_url, api.server())?,
        None => false,
    };
    if args.json.json {
        print_json(&answer)?;
        return Ok(ExitCode::SUCCESS);
    }
    println!("Created {}: {}", app.name, app.web_url.as_deref().unwrap_or_default());
    match (has_remote, repository) {
        (true, _) if args.remote == git::REMOTE => println!("git remote `renga`: {}\nNext: renga push", app.git_url),
        (true, _) => println!("git remote `{0}`: {1}\nNext: renga push --remote {0}", args.remote, app.git_url),
        (false, None) => println!("Next: renga push --app {}", app.name),
        (false, Some(_)) => println!(
            "The git remote `{}` leads elsewhere and stays as it is.\nNext: renga push --app {}",
            args.remote, app.name
        ),
    }
    Ok(ExitCode::SUCCESS)
}

#[derive(Debug, clap::Args)]
pub struct ListArgs {
    #[command(flatten)]
    json: JsonArg,
    #[command(flatten)]
    server: ServerArgs,
}

pub(crate) fn list(args: &ListArgs) -> anyhow::Result<ExitCode> {
    let api = Api::of(args.server.find()?)?;
    let mut answer = api.list("/apps")?;
    answer.sort_by(|a, b| a["name"].as_str().cmp(&b["name"].as_str()));
    if args.json.json {
        print_json(&Value::Array(answer))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new(&["APP", "RELEASED", "OWNER", "URL"]);
    for app in &answer {
        let app: Shown = typed(app)?;
        let released = app.released_at.map_or_else(|| "never".to_owned(), moment);
        table.row([app.name.to_string(), released, app.owner.email.to_string(), app.web_url.unwrap_or_default()]);
    }
    table.print("There are no apps yet; `renga create` makes one.")?;
    Ok(ExitCode::SUCCESS)
}

#[derive(Debug, clap::Args)]
pub struct InfoArgs {
    #[command(flatten)]
    json: JsonArg,
    #[command(flatten)]
    app: AppArgs,
}

pub(crate) fn info(args: &InfoArgs) -> anyhow::Result<ExitCode> {
    let app = args.app.find()?;
    let answer = app.get("")?;
    if args.json.json {
        print_json(&answer)?;
        return Ok(ExitCode::SUCCESS);
    }
    let shown: Shown = typed(&answer)?;
    let formation = app.list("/formation")?;
    let dynos: Vec<String> = formation
        .iter()
        .filter_map(|process| Some(format!("{}: {}", process["type"].as_str()?, process["quantity"].as_u64()?)))
        .collect();
    print_fields(&[
        ("App", shown.name.to_string()),
        ("Web URL", shown.web_url.unwrap_or_default()),
        ("Git URL", shown.git_url),
        ("Owner", shown.owner.email.to_string()),
        ("Stack", shown.stack.name),
        ("Dynos", if dynos.is_empty() { "none yet".to_owned() } else { dynos.join(", ") }),
        ("Slug size", shown.slug_size.map_or_else(|| "no code yet".to_owned(), size)),
        ("Repository size", shown.repo_size.map_or_else(|| "nothing pushed yet".to_owned(), size)),
        ("Maintenance", if shown.maintenance { "on".to_owned() } else { "off".to_owned() }),
        ("Created", moment(shown.created_at)),
    ])?;
    Ok(ExitCode::SUCCESS)
}

fn size(bytes: u64) -> String {
    const KB: u64 = 1000;
    const MB: u64 = 1000 * KB;
    match bytes {
        0..MB => format!("{} KB", bytes.div_ceil(KB)),
        _ => format!("{}.{} MB", bytes / MB, bytes % MB / (MB / 10)),
    }
}

#[derive(Debug, clap::Args)]
pub struct OpenArgs {
    /// A path in it: /admin
    path: Option<String>,
    /// Print the URL and open nothing
    #[arg(long)]
    url: bool,
    #[command(flatten)]
    app: AppArgs,
}

pub(crate) fn open(args: &OpenArgs) -> anyhow::Result<ExitCode> {
    let app: Shown = typed(&args.app.find()?.get("")?)?;
    let base = app.web_url.context("the app has no web address")?;
    let path = args.path.as_deref().unwrap_or_default().trim_start_matches('/');
    let url = format!("{}/{path}", base.trim_end_matches('/'));
    println!("{url}");
    if args.url {
        return Ok(ExitCode::SUCCESS);
    }
    match Command::new("xdg-open").arg(&url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status() {
        Ok(status) if status.success() => {}
        Ok(_) => eprintln!("No browser could be opened; the address is above."),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            eprintln!("This machine has no xdg-open to open a browser with; the address is above.");
        }
        Err(error) => return Err(error).context("could not start xdg-open"),
    }
    Ok(ExitCode::SUCCESS)
}

#[derive(Debug, clap::Args)]
pub struct DestroyArgs {
    /// The app's name, in place of the question
    #[arg(long, value_name = "APP")]
    confirm: Option<String>,
    #[command(flatten)]
    app: AppArgs,
}

pub(crate) fn destroy(args: &DestroyArgs) -> anyhow::Result<ExitCode> {
    let app = args.app.find()?;
    let shown: Shown = typed(&app.get("")?)?;
    let name = shown.name.to_string();
    let typed_name = match &args.confirm {
        Some(name) => name.clone(),
        None if prompt::is_possible() => {
            eprintln!("This destroys {name} with its releases, config vars and logs. It can't be undone.");
            std::io::stderr().flush()?;
            prompt::line("Type its name to go on")?
        }
        None => bail!("there is no terminal to confirm on: repeat with --confirm {name}"),
    };
    if typed_name != name {
        bail!("`{typed_name}` is not `{name}`: nothing was destroyed");
    }
    app.delete("")?;
    println!("Destroyed {name}");
    Ok(ExitCode::SUCCESS)
}
