//! A program in a terminal, and someone who types.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use anyhow::{Context, bail};

use crate::Deadline;

const PATIENCE: Duration = Duration::from_secs(60);

/// `script` gives the program a pseudo-terminal of 80 by 24.
pub struct Terminal {
    child: Child,
    keys: Option<ChildStdin>,
    screen: Receiver<Vec<u8>>,
    /// All that was shown.
    shown: String,
    /// How much of it was waited for already.
    seen: usize,
}

impl Terminal {
    pub(crate) fn open(
        directory: &Path,
        environment: &[(OsString, OsString)],
        program: &str,
        arguments: &[&str],
    ) -> anyhow::Result<Self> {
        let quoted = |word: &str| format!("'{}'", word.replace('\'', r"'\''"));
        let words: Vec<String> = std::iter::once(program).chain(arguments.iter().copied()).map(quoted).collect();
        let mut child = Command::new("script")
            .args(["--quiet", "--return", "--flush", "--command", &words.join(" "), "/dev/null"])
            .current_dir(directory)
            .env_clear()
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .envs([("TERM", "xterm"), ("SHELL", "/bin/sh")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .context("could not start `script` (package bsdutils)")?;
        let mut output = child.stdout.take().context("no output")?;
        let (sender, screen) = channel();
        // Ends with the program's output.
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = output.read(&mut buffer) {
                if sender.send(buffer[..length].to_vec()).is_err() {
                    return;
                }
            }
        });
        let keys = child.stdin.take();
        Ok(Self { child, keys, screen, shown: String::new(), seen: 0 })
    }

    /// Waits until `text` is shown, after what was waited for before.
    pub fn expect(&mut self, text: &str) -> anyhow::Result<()> {
        let deadline = Deadline::after(PATIENCE);
        loop {
            if let Some(at) = self.shown[self.seen..].find(text) {
                self.seen += at + text.len();
                return Ok(());
            }
            match self.screen.recv_timeout(deadline.remaining()) {
                Ok(bytes) => self.shown += &String::from_utf8_lossy(&bytes),
                Err(RecvTimeoutError::Timeout) => bail!("`{text}` was not shown; shown was:\n{}", self.shown),
                Err(RecvTimeoutError::Disconnected) => bail!("it ended before it showed `{text}`:\n{}", self.shown),
            }
        }
    }

    /// Types; `\r` is the Enter key.
    pub fn type_keys(&mut self, keys: &str) -> anyhow::Result<()> {
        let input = self.keys.as_mut().context("the keyboard is gone")?;
        input.write_all(keys.as_bytes())?;
        input.flush()?;
        Ok(())
    }

    /// Waits for the end: exit code and all that was shown.
    pub fn end(mut self) -> anyhow::Result<(i32, String)> {
        let deadline = Deadline::after(PATIENCE);
        loop {
            match self.screen.recv_timeout(deadline.remaining()) {
                Ok(bytes) => self.shown += &String::from_utf8_lossy(&bytes),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => bail!("it does not end; shown was:\n{}", self.shown),
            }
        }
        drop(self.keys.take());
        let status = self.child.wait()?;
        Ok((status.code().unwrap_or(-1), std::mem::take(&mut self.shown)))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Fails if it has ended, which is what is wanted.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path() -> Vec<(OsString, OsString)> {
        vec![("PATH".into(), std::env::var_os("PATH").unwrap())]
    }

    #[test]
    fn a_program_sees_a_terminal_and_what_is_typed() {
        let script = "test -t 0 && read -r name && echo hello $name && exit 3";
        let mut terminal = Terminal::open(Path::new("/"), &path(), "sh", &["-c", script]).unwrap();
        terminal.type_keys("ada\r").unwrap();
        terminal.expect("hello ada").unwrap();
        let (code, _) = terminal.end().unwrap();
        assert_eq!(code, 3);
    }

    #[test]
    fn text_that_never_comes_is_an_error_with_what_was_shown() {
        let mut terminal = Terminal::open(Path::new("/"), &path(), "echo", &["other"]).unwrap();
        let error = terminal.expect("wanted").unwrap_err().to_string();
        assert!(error.contains("other"), "{error}");
    }
}
