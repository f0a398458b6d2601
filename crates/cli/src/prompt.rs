//! Questions to the one who sits at the terminal.

use std::io::{BufRead, IsTerminal, Write};

use anyhow::{Context, bail};
use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};

/// Whether there is someone who can answer.
pub(crate) fn is_possible() -> bool {
    std::io::stdin().is_terminal()
}

/// One line, without its end.
pub(crate) fn line(question: &str) -> anyhow::Result<String> {
    eprint!("{question}: ");
    std::io::stderr().flush()?;
    read_line()
}

/// One line that the terminal does not show.
pub(crate) fn secret(question: &str) -> anyhow::Result<String> {
    let stdin = std::io::stdin();
    let before = tcgetattr(&stdin).context("a password is asked for on a terminal only")?;
    let mut silent = before.clone();
    silent.local_flags.remove(LocalFlags::ECHO);
    // First of all: whoever sees the question may type.
    tcsetattr(&stdin, SetArg::TCSAFLUSH, &silent).context("could not silence the terminal")?;
    eprint!("{question}: ");
    let line = read_line();
    tcsetattr(&stdin, SetArg::TCSANOW, &before).context("could not put the terminal back in order")?;
    eprintln!();
    line
}

/// Whether the answer is yes; without a terminal `otherwise` says what to do.
pub(crate) fn yes(question: &str, otherwise: &str) -> anyhow::Result<bool> {
    if !is_possible() {
        bail!("there is no terminal to confirm on: {otherwise}");
    }
    Ok(matches!(line(&format!("{question} [y/N]"))?.to_lowercase().as_str(), "y" | "yes"))
}

fn read_line() -> anyhow::Result<String> {
    let mut text = String::new();
    if std::io::stdin().lock().read_line(&mut text)? == 0 {
        bail!("the input ended before there was an answer");
    }
    Ok(text.trim_end_matches(['\n', '\r']).to_owned())
}
