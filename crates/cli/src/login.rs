//! `renga login`, `logout`, `whoami`.

use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use serde_json::{Value, json};

use crate::api::{Api, Refused};
use crate::contact::{self, Expected};
use crate::prompt;
use crate::server::profiles::{LOCAL, Place, Profile, Profiles, check_name};
use crate::server::{Chosen, DataDir, Server, ServerArgs, ServerUrl, Trust, prefers_this_machine};
use crate::table::{JsonArg, print_json};

/// How long a login is good for.
const LOGIN_DAYS: u32 = 90;

#[derive(Debug, clap::Args)]
pub struct LoginArgs {
    /// https://renga.example.com; without one, the server of this machine
    server: Option<String>,
    /// The account's e-mail address
    #[arg(long)]
    email: Option<String>,
    /// Read the password from stdin
    #[arg(long)]
    password_stdin: bool,
    /// Read an API key from stdin in place of a password
    #[arg(long, conflicts_with_all = ["password_stdin", "email"])]
    api_key_stdin: bool,
    /// Trust the certificates of this authority (PEM)
    #[arg(long, value_name = "FILE", requires = "server")]
    ca: Option<PathBuf>,
    /// The fingerprint of the server's authority, as `renga trust --print` shows it there
    #[arg(long, value_name = "SHA256:…", requires = "server", conflicts_with = "ca")]
    fingerprint: Option<String>,
    #[command(flatten)]
    place: ServerArgs,
}

pub(crate) fn login(args: &LoginArgs) -> anyhow::Result<ExitCode> {
    let mut profiles = Profiles::open()?;
    let (name, place, url, trust) = match &args.server {
        None => {
            let data_dir = DataDir::open(&args.place.local_data_dir())?;
            let url: ServerUrl = data_dir.server()?.url.parse()?;
            let name = args.place.profile.clone().unwrap_or_else(|| LOCAL.to_owned());
            check_name(&name)?;
            let place = Place::Local { data_dir: data_dir.path().to_owned() };
            (name, place, url, Trust::Authority(data_dir.authority()))
        }
        Some(url) => {
            let url: ServerUrl = url.parse()?;
            let name = args.place.profile.clone().unwrap_or_else(|| url.host().replace(['[', ']', ':'], "-"));
            check_name(&name)?;
            let expected = match (&args.ca, &args.fingerprint) {
                (Some(path), _) => Expected::File(path.clone()),
                (None, Some(fingerprint)) => Expected::Fingerprint(fingerprint.clone()),
                (None, None) => Expected::Asked,
            };
            let trust = contact::meet(&url, &expected, &|pem| profiles.pin(&name, pem))?;
            let authority = match &trust {
                Trust::Authority(path) => Some(path.clone()),
                Trust::System => None,
            };
            (name, Place::Remote { url: url.to_string(), authority }, url, trust)
        }
    };
    let server =
        |api_key| Server { chosen: Chosen::Profile(name.clone()), url: url.clone(), trust: trust.clone(), api_key };
    let api_key = match args.api_key_stdin {
        true => from_stdin("an API key")?,
        false => key_for_password(args, &Api::of(server(None))?)?,
    };
    let account = Api::of(server(Some(api_key.clone())))?.get("/account")?;
    let email = account["email"].as_str().context("the server does not say who you are")?.to_owned();
    profiles.keep(&name, Profile { place, email: email.clone(), api_key })?;
    println!("Logged in to {url} as {email} (profile {name})");
    if args.server.is_some() && prefers_this_machine() {
        println!(
            "This machine has a server of its own: to use the other, add --profile {name} or set RENGA_PROFILE={name}"
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn key_for_password(args: &LoginArgs, api: &Api) -> anyhow::Result<String> {
    let is_said = args.password_stdin && args.email.is_some();
    if !is_said && !prompt::is_possible() {
        bail!("there is no terminal to ask on: use --email and --password-stdin, or --api-key-stdin");
    }
    let email = match &args.email {
        Some(email) => email.clone(),
        None => prompt::line("E-mail")?,
    };
    let password = if args.password_stdin { from_stdin("a password")? } else { prompt::secret("Password")? };
    let machine = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok()).unwrap_or_default();
    let wish = json!({
        "description": format!("renga login on {machine}"),
        "expires_in": LOGIN_DAYS * 24 * 3600,
        "scope": ["global"],
    });
    let answer = api.post_as(&email, &password, "/oauth/authorizations", &wish)?;
    let key = answer["access_token"]["token"].as_str().context("the server's answer holds no key")?;
    Ok(key.to_owned())
}

fn from_stdin(what: &str) -> anyhow::Result<String> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).with_context(|| format!("could not read {what} from stdin"))?;
    let text = text.trim().to_owned();
    if text.is_empty() {
        bail!("{what} was to come from stdin, but it is empty");
    }
    Ok(text)
}

#[derive(Debug, clap::Args)]
pub struct LogoutArgs {
    #[command(flatten)]
    server: ServerArgs,
}

/// Ends the key that the login made, and forgets it.
pub(crate) fn logout(args: &LogoutArgs) -> anyhow::Result<ExitCode> {
    let mut profiles = Profiles::open()?;
    let server = args.server.find()?;
    let name = match &server.chosen {
        Chosen::Profile(name) => name.clone(),
        Chosen::DataDir(path) => {
            let of_dir = profiles.named_at(path);
            of_dir.with_context(|| format!("nobody is logged in to the server of `{}`", path.display()))?.to_owned()
        }
    };
    let api = Api::of(Server { api_key: Some(profiles.get(&name)?.api_key.clone()), ..server })?;
    match api.delete("/oauth/sessions/~") {
        Ok(_) => {}
        // A key that was given, not made by a login, is its holder's to end; one that the server does not know
        // has ended already.
        Err(error) if error.downcast_ref::<Refused>().is_some_and(|refused| matches!(refused.status, 401 | 404)) => {}
        Err(error) => eprintln!("warning: the key is forgotten here, but the server could not be told: {error:#}"),
    }
    profiles.forget(&name)?;
    println!("Logged out of {} (profile {name})", api.server().url);
    Ok(ExitCode::SUCCESS)
}

#[derive(Debug, clap::Args)]
pub struct WhoamiArgs {
    #[command(flatten)]
    json: JsonArg,
    #[command(flatten)]
    server: ServerArgs,
}

pub(crate) fn whoami(args: &WhoamiArgs) -> anyhow::Result<ExitCode> {
    let api = Api::of(args.server.find()?)?;
    let account: Value = api.get("/account")?;
    if args.json.json {
        print_json(&account)?;
    } else {
        println!("{} on {}", account["email"].as_str().unwrap_or_default(), api.server().url);
    }
    Ok(ExitCode::SUCCESS)
}
