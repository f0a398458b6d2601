//! `renga trust`: makes browsers and programs of this machine take the
//! certificates of a server's own authority.
//!
//! Nothing else in Renga touches what the machine trusts; here it is asked for,
//! told before it is done, and can be undone.

mod nss;
mod system;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};

use crate::prompt;
use crate::server::trust::fingerprint;
use crate::server::{ServerArgs, Trust};
use nss::Databases;
use system::SystemStore;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Take it out again
    #[arg(long, conflicts_with = "print")]
    remove: bool,
    /// Print the authority's certificate, and its fingerprint on stderr; change nothing
    #[arg(long)]
    print: bool,
    /// Go on without asking
    #[arg(long, short)]
    yes: bool,
    /// Put it as a file into this folder, and nowhere else
    #[arg(long, value_name = "DIR", conflicts_with = "print")]
    into: Option<PathBuf>,
    #[command(flatten)]
    server: ServerArgs,
}

/// The certificate that is meant, and the name it bears in stores.
struct Authority {
    pem: Vec<u8>,
    name: String,
}

/// One place that can be made to trust it.
enum Place {
    System(SystemStore),
    Browsers(Databases),
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let server = args.server.find()?;
    let Trust::Authority(path) = &server.trust else {
        bail!("{} has a certificate that this machine trusts already: there is nothing to do", server.url);
    };
    let pem = std::fs::read(path).with_context(|| format!("could not read `{}`", path.display()))?;
    let fingerprint = fingerprint(&pem)?;
    if args.print {
        eprintln!("{fingerprint}");
        std::io::stdout().write_all(&pem)?;
        return Ok(ExitCode::SUCCESS);
    }
    // Two authorities of two servers lie side by side.
    let mark: String = fingerprint.trim_start_matches("SHA256:").replace(':', "").chars().take(8).collect();
    let authority = Authority { pem, name: format!("renga-{}", mark.to_lowercase()) };
    let places = places(args)?;
    let verb = if args.remove { "remove" } else { "install" };
    eprintln!("The authority of {}, {fingerprint}", server.url);
    for place in &places {
        eprintln!("- {verb} {}", place.shown(&authority, args.remove));
    }
    if !args.yes && !prompt::yes("Go on?", "repeat with --yes")? {
        bail!("nothing was changed");
    }
    for place in &places {
        place.change(&authority, args.remove)?;
    }
    println!("Done. Programs that run already may have to be started again.");
    Ok(ExitCode::SUCCESS)
}

/// The system's store is root's; browsers have stores of their own in the
/// user's home.
fn places(args: &Args) -> anyhow::Result<Vec<Place>> {
    if let Some(folder) = &args.into {
        return Ok(vec![Place::System(SystemStore::folder(folder))]);
    }
    let mut places = Vec::new();
    if nix::unistd::geteuid().is_root() {
        places.push(Place::System(SystemStore::of_machine()?));
    } else {
        eprintln!("note: for this machine's system store, run it as root too (sudo); here follow your browsers only");
    }
    let home = std::env::home_dir().context("there is no home directory: set HOME")?;
    match Databases::of(&home)? {
        Some(databases) => places.push(Place::Browsers(databases)),
        None if places.is_empty() => bail!("there is no browser's store in `{}`: nothing to do", home.display()),
        None => {}
    }
    Ok(places)
}

impl Place {
    fn shown(&self, authority: &Authority, remove: bool) -> String {
        let way = if remove { "from" } else { "into" };
        match self {
            Self::System(store) => format!("`{}`{}", store.file(authority).display(), store.then()),
            Self::Browsers(databases) => format!("it {way} the browsers' stores {databases}"),
        }
    }

    fn change(&self, authority: &Authority, remove: bool) -> anyhow::Result<()> {
        match (self, remove) {
            (Self::System(store), false) => store.install(authority),
            (Self::System(store), true) => store.remove(authority),
            (Self::Browsers(databases), false) => databases.install(authority),
            (Self::Browsers(databases), true) => databases.remove(authority),
        }
    }
}
