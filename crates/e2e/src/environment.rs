//! The variables that `renga env` sets, taken the way a user takes them.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;
use std::process::Command;

use anyhow::{Context, bail};

/// `base` and what `eval "$(COMMAND)"` makes of it, where the command is
/// `renga env` with its options.
pub fn environment(
    command: &[impl AsRef<OsStr>],
    base: &[(OsString, OsString)],
) -> anyhow::Result<Vec<(OsString, OsString)>> {
    let output = Command::new("sh")
        .args(["-c", r#"eval "$("$@")" && exec env -0"#, "sh"])
        .args(command)
        .env_clear()
        .envs(base.iter().map(|(name, value)| (name, value)))
        .output()
        .context("could not start a shell")?;
    let variables: Vec<(OsString, OsString)> = output
        .stdout
        .split(|byte| *byte == 0)
        .filter_map(|pair| {
            let equals = pair.iter().position(|byte| *byte == b'=')?;
            Some((OsString::from_vec(pair[..equals].to_vec()), OsString::from_vec(pair[equals + 1..].to_vec())))
        })
        .filter(|(name, _)| name != "_" && name != "SHLVL")
        .collect();
    if !variables.iter().any(|(name, _)| name == OsStr::new("HEROKU_API_KEY")) {
        bail!("`renga env` failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(variables)
}
