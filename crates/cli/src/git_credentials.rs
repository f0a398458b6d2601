//! `renga git-credentials`: git's credential helper protocol, so that a push
//! never prompts. Started once or twice per push, so it does next to nothing.

use std::io::{BufRead, Write};
use std::process::ExitCode;

use anyhow::Context;

use crate::server::{Server, ServerArgs, key_of_cli};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    server: ServerArgs,
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
    let server = args.server.find()?;
    if asked.protocol != "https" || asked.host != server.url.host() {
        return Ok(ExitCode::SUCCESS);
    }
    let key = key(server)?;
    // Any user name will do: the key tells who it is.
    write!(std::io::stdout(), "username=heroku\npassword={key}\n")?;
    Ok(ExitCode::SUCCESS)
}

/// As who the official CLI would push, where it is set up for this server.
fn key(server: Server) -> anyhow::Result<String> {
    let how_to_log_in = server.how_to_log_in();
    key_of_cli(&server.url).or(server.api_key).with_context(|| format!("nobody is logged in: {how_to_log_in}"))
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
