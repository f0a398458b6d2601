//! The user's terminal while a dyno has it.

use anyhow::Context;
use nix::sys::termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};
use serde_json::{Value, json};

/// Every key goes to the dyno, Ctrl-C too, until this is dropped.
pub(super) struct RawMode {
    before: Termios,
}

impl RawMode {
    pub(super) fn enter() -> anyhow::Result<Self> {
        let before = tcgetattr(std::io::stdin()).context("could not read the terminal's settings")?;
        let mut raw = before.clone();
        cfmakeraw(&mut raw);
        tcsetattr(std::io::stdin(), SetArg::TCSADRAIN, &raw).context("could not change the terminal's settings")?;
        Ok(Self { before })
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        if let Err(error) = tcsetattr(std::io::stdin(), SetArg::TCSADRAIN, &self.before) {
            eprintln!("warning: the terminal could not be put back in order ({error}); type `reset`");
        }
    }
}

/// What the dyno's terminal is to be like.
pub(super) fn variables() -> Vec<(String, Value)> {
    let mut variables = Vec::new();
    if let Ok(kind) = std::env::var("TERM") {
        variables.push(("TERM".to_owned(), json!(kind)));
    }
    if let Ok(size) = rustix::termios::tcgetwinsize(std::io::stdin())
        && size.ws_col > 0
    {
        variables.push(("COLUMNS".to_owned(), json!(size.ws_col.to_string())));
        variables.push(("LINES".to_owned(), json!(size.ws_row.to_string())));
    }
    variables
}
