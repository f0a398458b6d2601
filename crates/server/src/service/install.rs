//! From a program to a service.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use configuration::{Configuration, ConfigurationFile, Given};

use super::places::{PROGRAM, Places, put, put_text};
use super::systemd::{self, UNIT};
use super::{InstallArgs, configured, unit};

/// A first start makes keys and recovers what a crash left.
const START_PATIENCE: Duration = Duration::from_secs(60);

pub(super) fn run(args: &InstallArgs) -> anyhow::Result<()> {
    let places = Places::below(args.root.root.as_deref());
    if places.is_this_machine() {
        if !nix::unistd::geteuid().is_root() {
            bail!("a service is installed by root: sudo renga service install");
        }
        if !systemd::runs() {
            bail!("systemd does not run this machine; let your own supervisor run `renga server`");
        }
        for package in stack::missing_packages() {
            eprintln!(
                "warning: {} is missing ({}): apt-get install {}",
                package.brings, package.purpose, package.package
            );
        }
    }
    let settings = settings(args, &places)?;
    let configuration = check(&settings, &places)?;
    install_program(&places)?;
    put_text(&places.configuration(), &settings)?;
    put_text(&places.unit(), &unit::text(PROGRAM, configuration::DEFAULT_FILE))?;
    println!("Installed {}, {} and {}.", PROGRAM, configuration::DEFAULT_FILE, places.unit().display());
    if !places.is_this_machine() {
        println!("Nothing was started: that is not this machine.");
        return Ok(());
    }
    systemd::systemctl(&["daemon-reload"])?;
    systemd::systemctl(&["enable", "--quiet", UNIT])?;
    systemd::systemctl(&["restart", UNIT])?;
    wait_until_healthy(&configuration)?;
    println!("{}", next_steps(&configuration));
    Ok(())
}

/// The text of the configuration file to be.
fn settings(args: &InstallArgs, places: &Places) -> anyhow::Result<String> {
    let path = places.configuration();
    let before = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error).with_context(|| format!("could not read {}", path.display())),
    };
    let mut given = args.settings.flags().clone();
    // Whoever has a domain wants to be reached by its name.
    let says_where = given.contains_key("listen") || before.lines().any(|line| line.trim_start().starts_with("listen"));
    if given.contains_key("domain") && !says_where {
        given.insert("listen", "0.0.0.0:80,0.0.0.0:443".to_owned());
    }
    Ok(configured::with(&before, &given))
}

/// Nothing is touched if the settings are wrong.
fn check(settings: &str, places: &Places) -> anyhow::Result<Configuration> {
    let file = ConfigurationFile::parse(&places.configuration(), settings)?;
    let given = Given { flags: BTreeMap::new(), variables: BTreeMap::new(), file: Some(file) };
    let (configuration, _) = configuration::read(&given).context("these settings can't be used")?;
    Ok(configuration)
}

fn install_program(places: &Places) -> anyhow::Result<()> {
    let own = std::env::current_exe().context("could not find the renga binary itself")?;
    let program = places.program();
    let is_it = |path: &Path| path.canonicalize().is_ok_and(|path| own.canonicalize().is_ok_and(|own| own == path));
    if is_it(&program) {
        return Ok(());
    }
    // By way of /proc: the file of this process, also if someone has replaced it since.
    let mut source = fs::File::open("/proc/self/exe").context("could not open the renga binary itself")?;
    put(&program, 0o755, |file| io::copy(&mut source, file).map(|_| ()))
}

fn wait_until_healthy(configuration: &Configuration) -> anyhow::Result<()> {
    let address = *configuration.listen.0.first().context("there is no address to listen on")?;
    let deadline = Instant::now() + START_PATIENCE;
    loop {
        if cli::is_healthy(address).unwrap_or(false) {
            return Ok(());
        }
        let restarts = systemd::properties(&["NRestarts"])?.remove("NRestarts").unwrap_or_default();
        let fails = restarts.parse::<u32>().is_ok_and(|restarts| restarts >= 2);
        if fails || Instant::now() > deadline {
            bail!(
                "the service does not answer on {address}; its last lines (journalctl -u renga):\n{}",
                systemd::last_lines(15)
            );
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn next_steps(configuration: &Configuration) -> String {
    let url = configuration.public_url();
    let mut text = format!("Renga serves on {url}; `renga service status` shows how it does.\n\n");
    if !configuration.domain.is_localhost() {
        let domain = &configuration.domain;
        let port = if url.ends_with(|last: char| last.is_ascii_digit()) { "" } else { " (ports 80 and 443)" };
        text += &format!(
            "  names        point *.{domain} at this machine{port}\n  \
               from afar    renga accounts:create you@{domain}, then there: renga login {url}\n"
        );
    }
    text += "  as owner     eval \"$(renga env)\"   (as root, here: the official heroku CLI and git)\n";
    text += "  first app    heroku create, and git push heroku main\n";
    text += "  keep safe    renga backup create";
    text
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::{Command, run};
    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(subcommand)]
        command: Command,
    }

    fn service(root: &Path, words: &[&str]) -> anyhow::Result<()> {
        let root = root.to_string_lossy().into_owned();
        run(&Line::parse_from([&["service"], words, &["--root", &root]].concat()).command)
    }

    #[test]
    fn files_are_put_below_a_root_and_taken_away_again() {
        let root = tempfile::tempdir().unwrap();
        service(root.path(), &["install", "--domain", "example.com"]).unwrap();
        let settings = fs::read_to_string(root.path().join("etc/renga/renga.toml")).unwrap();
        assert!(settings.contains("domain = \"example.com\"") && settings.contains("0.0.0.0:443"), "{settings}");
        let program = fs::metadata(root.path().join("usr/local/bin/renga")).unwrap();
        assert_eq!(program.len(), fs::metadata(std::env::current_exe().unwrap()).unwrap().len());

        // An upgrade keeps what is set.
        service(root.path(), &["install", "--concurrent-builds", "4"]).unwrap();
        let settings = fs::read_to_string(root.path().join("etc/renga/renga.toml")).unwrap();
        assert!(settings.contains("domain = \"example.com\"") && settings.contains("concurrent_builds = 4"));

        service(root.path(), &["uninstall"]).unwrap();
        assert!(root.path().join("etc/renga/renga.toml").exists(), "settings stay without --purge");
        service(root.path(), &["uninstall", "--purge", "--yes"]).unwrap();
        for gone in ["etc/renga", "usr/local/bin/renga", "etc/systemd/system/renga.service"] {
            assert!(!root.path().join(gone).exists(), "{gone}");
        }
    }

    #[test]
    fn wrong_settings_touch_nothing() {
        let root = tempfile::tempdir().unwrap();
        assert!(service(root.path(), &["install", "--build-time", "soon"]).is_err());
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
    }
}
