//! Programs run to their end, with a limit on their time.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

/// No command of a journey takes longer: a first build of a stack included.
const LIMIT_S: u32 = 300;

/// How a program ended and what it said.
#[derive(Debug, Clone)]
pub struct Ran {
    pub line: String,
    /// As a shell shows it; 124 if it was ended for taking too long.
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// The output, if it ended well.
    pub fn ok(self) -> anyhow::Result<Self> {
        if self.code != 0 {
            bail!("{self}");
        }
        Ok(self)
    }

    /// The output, if it ended badly.
    pub fn fails(self) -> anyhow::Result<Self> {
        if self.code == 0 || self.code == 124 {
            bail!("should have been refused: {self}");
        }
        Ok(self)
    }

    /// Fails unless `text` stands in stdout or stderr.
    pub fn says(self, text: &str) -> anyhow::Result<Self> {
        if !self.stdout.contains(text) && !self.stderr.contains(text) {
            bail!("`{text}` is missing: {self}");
        }
        Ok(self)
    }

    /// Fails if `text` stands in stdout or stderr.
    pub fn does_not_say(self, text: &str) -> anyhow::Result<Self> {
        if self.stdout.contains(text) || self.stderr.contains(text) {
            bail!("`{text}` should not be there: {self}");
        }
        Ok(self)
    }

    /// Stdout as JSON.
    pub fn json(&self) -> anyhow::Result<serde_json::Value> {
        serde_json::from_str(&self.stdout).with_context(|| format!("stdout is not JSON: {self}"))
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { line, code, stdout, stderr } = self;
        write!(f, "`{line}` ended with {code}\n--- stdout\n{stdout}\n--- stderr\n{stderr}")
    }
}

/// A command that `timeout` ends if it hangs; nothing is inherited but what
/// `environment` holds.
pub(crate) fn bounded(
    program: &str,
    arguments: &[impl AsRef<OsStr>],
    directory: &Path,
    environment: &[(OsString, OsString)],
) -> Command {
    let mut command = Command::new("timeout");
    command
        .args(["--kill-after=5", &LIMIT_S.to_string(), program])
        .args(arguments)
        .current_dir(directory)
        .env_clear()
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null());
    command
}

pub(crate) fn run(mut command: Command) -> anyhow::Result<Ran> {
    let words = command.get_args().skip(2).map(|word| word.to_string_lossy().into_owned());
    let line = words.collect::<Vec<_>>().join(" ");
    let output = command.output().with_context(|| format!("could not start `{line}`"))?;
    Ok(Ran {
        line,
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}
