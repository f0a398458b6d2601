//! What a dyno's process finds in its environment, and how its command starts.

use std::collections::BTreeMap;

use domain::{ConfigVars, DynoName};

/// Sources `.profile.d/*.sh` in glob order, then `.profile`, then runs the
/// command, as Heroku's dynos do. The command comes as `$1`, so no quoting is
/// needed, and a script may use `return`.
const START_SCRIPT: &str = r#"
for script in "$HOME"/.profile.d/*.sh; do [ -r "$script" ] && . "$script"; done
[ -r "$HOME/.profile" ] && . "$HOME/.profile"
unset script
exec /bin/bash -c "$1"
"#;

/// The program and arguments that start `command` in a dyno.
pub(crate) fn start_command(command: &str) -> Vec<String> {
    ["/bin/bash", "-c", START_SCRIPT, "start", command].map(str::to_owned).to_vec()
}

/// A dyno's whole environment. Config vars come over the platform's own
/// values, but for `PORT` and `DYNO`, which tell the truth whatever is set.
/// `extra` (of `heroku run`: `TERM`, `COLUMNS`, …) comes over config vars.
pub(crate) fn environment(
    config: &ConfigVars,
    name: &DynoName,
    port: u16,
    metadata: &[(&str, String)],
    extra: &BTreeMap<String, String>,
) -> Vec<(String, String)> {
    let mut vars: BTreeMap<String, String> = BTreeMap::new();
    vars.insert("HOME".into(), "/app".into());
    vars.insert("PATH".into(), "/usr/local/bin:/usr/bin:/bin".into());
    vars.insert("PWD".into(), "/app".into());
    vars.extend(metadata.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
    vars.extend(config.iter().map(|(key, value)| (key.to_string(), value.to_owned())));
    vars.extend(extra.iter().map(|(key, value)| (key.clone(), value.clone())));
    vars.insert("DYNO".into(), name.to_string());
    vars.insert("PORT".into(), port.to_string());
    vars.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn config_vars_override_all_but_port_and_dyno() {
        let config: ConfigVars = [("PATH", "/mine"), ("PORT", "1"), ("DYNO", "x"), ("A", "b")]
            .map(|(key, value)| (key.parse().unwrap(), value.to_owned()))
            .into_iter()
            .collect();
        let extra = BTreeMap::from([("TERM".to_owned(), "xterm".to_owned())]);
        let vars = environment(&config, &"web.1".parse().unwrap(), 4321, &[], &extra);
        let shown: Vec<String> = vars.iter().map(|(key, value)| format!("{key}={value}")).collect();
        assert_eq!(shown, ["A=b", "DYNO=web.1", "HOME=/app", "PATH=/mine", "PORT=4321", "PWD=/app", "TERM=xterm"]);
    }
}
