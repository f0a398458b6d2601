//! `renga git-credentials`: git's credential helper protocol, so that a push
//! never prompts. Started once or twice per push, so it does next to nothing.

use std::io::{BufRead, Write};
use std::process::ExitCode;

use crate::data_dir::{DataDir, DataDirArg};
use crate::netrc;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    data_dir: DataDirArg,
    #[arg(value_enum)]
    operation: Operation,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Operation {
    /// Answer with user and password
    Get,
    /// Nothing to do: we keep no copy
    Store,
    /// Nothing to do: we keep no copy
    Erase,
}

/// For another host than ours nothing is printed, and git asks the next helper.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if args.operation != Operation::Get {
        return Ok(ExitCode::SUCCESS);
    }
    let asked = Asked::read(std::io::stdin().lock())?;
    let data_dir = args.data_dir.open()?;
    let server = data_dir.server()?;
    if asked.protocol != "https" || asked.host != server.host() {
        return Ok(ExitCode::SUCCESS);
    }
    let token = token(&data_dir, &asked.host)?;
    // Any user name will do: the token tells who it is.
    write!(std::io::stdout(), "username=heroku\npassword={token}\n")?;
    Ok(ExitCode::SUCCESS)
}

/// The same order as the official CLI's, then the owner's key.
fn token(data_dir: &DataDir, host: &str) -> anyhow::Result<String> {
    if let Some(key) = std::env::var("HEROKU_API_KEY").ok().filter(|key| !key.is_empty()) {
        return Ok(key);
    }
    let netrc = std::env::home_dir().map(|home| home.join(".netrc"));
    let stored = netrc.and_then(|path| std::fs::read_to_string(path).ok());
    match stored.and_then(|text| netrc::password(&text, host)) {
        Some(token) => Ok(token),
        None => Ok(data_dir.owner()?.api_key),
    }
}

/// What git wants credentials for: `name=value` lines up to an empty one.
#[derive(Debug, Default, PartialEq, Eq)]
struct Asked {
    protocol: String,
    host: String,
}

impl Asked {
    fn read(input: impl BufRead) -> std::io::Result<Self> {
        let mut asked = Self::default();
        for line in input.lines() {
            match line?.split_once('=') {
                Some(("protocol", value)) => value.clone_into(&mut asked.protocol),
                Some(("host", value)) => value.clone_into(&mut asked.host),
                Some(_) => {}
                None => break,
            }
        }
        Ok(asked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_question_ends_at_the_empty_line() {
        let asked =
            Asked::read(&b"capability[]=authtype\nprotocol=https\nhost=localhost:5000\n\nhost=evil\n"[..]).unwrap();
        assert_eq!(asked, Asked { protocol: "https".to_owned(), host: "localhost:5000".to_owned() });
    }
}
