//! The settings as flags of a command, and `renga settings`.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::sync::LazyLock;

use anyhow::Context;
use clap::{Arg, ArgAction, ArgMatches, Command, FromArgMatches};
use configuration::{Configuration, Effective, Fallback, Given, SETTINGS, Setting};

/// `--config` and one flag per setting.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct SettingsArgs {
    /// The configuration file [env: RENGA_CONFIG] [default: /etc/renga/renga.toml, if it is there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    flags: Flags,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    settings: SettingsArgs,
    /// Print a JSON list
    #[arg(long)]
    json: bool,
}

impl SettingsArgs {
    /// What holds, and where each setting comes from.
    pub(crate) fn read(&self) -> anyhow::Result<(Configuration, Vec<Effective>)> {
        let file = configuration::file_named(self.config.as_deref())?;
        let given = Given::here(self.flags.0.clone(), file);
        configuration::read(&given).context("these settings can't be used")
    }

    /// The flags that were given, by the setting's name.
    pub(crate) fn flags(&self) -> &BTreeMap<&'static str, String> {
        &self.flags.0
    }
}

/// `renga settings`: a line per setting.
pub(crate) fn show(args: &Args) -> anyhow::Result<()> {
    let (_, effective) = args.settings.read()?;
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&effective)?)?;
        return Ok(());
    }
    let shown = |one: &Effective| one.value.clone().unwrap_or_else(|| format!("({})", one.if_nothing));
    let (names, values) = effective.iter().fold((0, 0), |(names, values), one| {
        (names.max(one.name.len()), values.max(shown(one).chars().count().min(WIDEST)))
    });
    for one in &effective {
        writeln!(out, "{:names$}  {:values$}  {}", one.name, shown(one), one.source)?;
    }
    Ok(())
}

/// Longer values push their source to the right.
const WIDEST: usize = 40;

/// A flag per setting, made from the table. What they hold is text: its
/// meaning is told once flags, variables and file are put together.
#[derive(Debug, Clone, Default)]
struct Flags(BTreeMap<&'static str, String>);

/// `data-dir` and its like; clap keeps no text of its own.
static FLAGS: LazyLock<Vec<String>> = LazyLock::new(|| SETTINGS.iter().map(Setting::flag).collect());

impl clap::Args for Flags {
    fn augment_args(command: Command) -> Command {
        SETTINGS.iter().zip(FLAGS.iter()).fold(command, |command, (setting, name)| command.arg(flag(setting, name)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

fn flag(setting: &'static Setting, name: &'static str) -> Arg {
    let default = match setting.fallback {
        Fallback::Text(text) => text,
        Fallback::Computed(_, meaning) | Fallback::Nothing(meaning) => meaning,
    };
    let meaning = setting.meaning.trim().trim_end_matches('.');
    Arg::new(setting.name)
        .long(name)
        .value_name(setting.placeholder)
        .help_heading(setting.group)
        .help(format!("{meaning} [env: {}] [default: {default}]", setting.variable()))
        .action(if setting.is_list { ArgAction::Append } else { ArgAction::Set })
}

impl FromArgMatches for Flags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = SETTINGS.iter().filter_map(|setting| {
            let values: Vec<&str> = matches.get_many::<String>(setting.name)?.map(String::as_str).collect();
            Some((setting.name, values.join(",")))
        });
        Ok(Self(given.collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        settings: SettingsArgs,
    }

    #[test]
    fn every_setting_has_a_flag_and_lists_may_be_repeated() {
        let line = Line::parse_from([
            "renga",
            "--listen",
            "0.0.0.0:80",
            "--listen",
            "0.0.0.0:443",
            "--domain",
            "example.com",
            "--config",
            "/dev/null",
        ]);
        let (configuration, effective) = line.settings.read().unwrap();
        assert_eq!(configuration.listen.0.len(), 2);
        assert_eq!(configuration.public_url(), "https://renga.example.com");
        assert_eq!(effective.len(), SETTINGS.len());
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let line = Line::parse_from(["renga", "--build-time", "soon", "--config", "/dev/null"]);
        let error = format!("{:#}", line.settings.read().unwrap_err());
        assert!(error.contains("build_time (flag): `soon`"), "{error}");
    }
}
