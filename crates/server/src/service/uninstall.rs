//! The end of a service.

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use configuration::{Configuration, ConfigurationFile, Given};

use super::UninstallArgs;
use super::places::{Places, remove};
use super::systemd::{self, UNIT};

/// How long dynos may take to end.
const GRACE: Duration = Duration::from_secs(30);

pub(super) fn run(args: &UninstallArgs) -> anyhow::Result<()> {
    let places = Places::below(args.root.root.as_deref());
    if places.is_this_machine() && !nix::unistd::geteuid().is_root() {
        bail!("a service is removed by root: sudo renga service uninstall");
    }
    let configuration = configured(&places)?;
    // `--root` is of files: there never was data there.
    let purged = args.purge && places.is_this_machine();
    if purged && configuration.data_dir.is_dir() && !args.yes {
        confirm(&configuration.data_dir)?;
    }
    if places.is_this_machine() {
        if systemd::runs() && places.unit().exists() {
            systemd::systemctl(&["disable", "--now", "--quiet", UNIT])?;
        }
        take_down(&configuration.data_dir)?;
    }
    remove(&places.unit())?;
    if places.is_this_machine() && systemd::runs() {
        systemd::systemctl(&["daemon-reload"])?;
    }
    if purged {
        remove_folder(&configuration.data_dir)?;
        if is_in_use(&configuration.stack_dir)? {
            println!("Kept {}: dynos of another server run on it.", configuration.stack_dir.display());
        } else {
            remove_folder(&configuration.stack_dir)?;
        }
    }
    if args.purge {
        remove(&places.configuration())?;
        remove_if_empty(places.configuration().parent())?;
    }
    remove(&places.program())?;
    println!("The service is gone.");
    if !args.purge {
        println!(
            "Apps are kept in {}, settings in {}: `renga service install` brings them back, `renga service uninstall \
             --purge` removes them.",
            configuration.data_dir.display(),
            configuration::DEFAULT_FILE
        );
    }
    Ok(())
}

fn configured(places: &Places) -> anyhow::Result<Configuration> {
    let path = places.configuration();
    let file = path.exists().then(|| ConfigurationFile::open(&path)).transpose()?;
    let (configuration, _) = configuration::read(&Given { file, ..Given::default() })?;
    Ok(configuration)
}

/// The one who types the data directory's name means it.
fn confirm(data_dir: &Path) -> anyhow::Result<()> {
    if !io::stdin().is_terminal() {
        bail!("there is no terminal to confirm on: say --yes to remove all apps and their data");
    }
    let name = data_dir.display();
    eprintln!("This removes all apps with their code, config and certificates for ever: {name}");
    eprint!("Type {name} to confirm: ");
    io::stderr().flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    if Path::new(answer.trim()) != data_dir {
        bail!("that is another name: nothing was removed");
    }
    Ok(())
}

/// A folder that is a volume of the operator's own is emptied.
fn remove_folder(path: &Path) -> anyhow::Result<()> {
    match fs::remove_dir_all(path) {
        Ok(()) => println!("Removed {}.", path.display()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) if error.kind() == io::ErrorKind::ResourceBusy && fs::read_dir(path)?.next().is_none() => {
            println!("Emptied {}, where something is mounted.", path.display());
        }
        Err(error) => return Err(error).with_context(|| format!("could not remove {}", path.display())),
    }
    Ok(())
}

/// Whether some loop device of this machine has a file of that folder.
fn is_in_use(folder: &Path) -> anyhow::Result<bool> {
    let devices = fs::read_dir("/sys/block").context("could not list the machine's block devices")?;
    let backing = devices.filter_map(|device| fs::read_to_string(device.ok()?.path().join("loop/backing_file")).ok());
    Ok(backing.into_iter().any(|file| Path::new(file.trim_end()).starts_with(folder)))
}

/// Dynos, their keeper, mounts, cgroups, links and rules.
fn take_down(data_dir: &Path) -> anyhow::Result<()> {
    if !data_dir.is_dir() {
        return Ok(());
    }
    let report = runtime_local::down(data_dir, GRACE)?;
    println!("Stopped {} dynos.", report.dynos);
    Ok(())
}

fn remove_if_empty(folder: Option<&Path>) -> anyhow::Result<()> {
    let Some(folder) = folder else { return Ok(()) };
    match fs::remove_dir(folder) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::DirectoryNotEmpty) => Ok(()),
        other => other.with_context(|| format!("could not remove {}", folder.display())),
    }
}
