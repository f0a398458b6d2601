//! `renga backup create | verify | restore`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, IsTerminal, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use backup::{Progress, Summary};
use serde::Serialize;

use crate::data_dir::DataDir;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Write all that the platform is to one archive, while it runs
    ///
    /// Database, keys, certificates, repositories, slugs and settings. The
    /// archive holds the keys: keep it as secret as the server itself.
    Create(CreateArgs),
    /// Read an archive to its end and tell whether it would bring the platform back
    Verify(VerifyArgs),
    /// Bring a platform back from an archive, into an empty directory
    Restore(RestoreArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct CreateArgs {
    /// The archive; `-` is standard output [default: renga-TIME.tar here]
    file: Option<PathBuf>,
    /// The data directory of the server
    #[arg(long, env = "RENGA_DATA_DIR", value_name = "DIR", default_value_os_t = configuration::data_dir())]
    data_dir: PathBuf,
    /// Print a JSON object in place of the report
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct VerifyArgs {
    /// The archive; `-` is standard input
    file: PathBuf,
    /// Print a JSON object in place of the report
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RestoreArgs {
    /// The archive; `-` is standard input
    file: PathBuf,
    /// Where to restore to: a directory that is empty, or not there yet
    #[arg(long, env = "RENGA_DATA_DIR", value_name = "DIR", default_value_os_t = configuration::data_dir())]
    data_dir: PathBuf,
    /// Print a JSON object in place of the report
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report<'a> {
    file: Option<&'a Path>,
    took_ms: u128,
    #[serde(flatten)]
    summary: &'a Summary,
}

pub(crate) fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::Create(args) => create(args),
        Command::Verify(args) => verify(args),
        Command::Restore(args) => restore(args),
    }
}

fn create(args: &CreateArgs) -> anyhow::Result<()> {
    // A file descriptor for each object of a repository.
    crate::run::raise_file_limit()?;
    let began = Instant::now();
    let settings = configuration::file_named(None)?.map(|file| file.path);
    let mut watch = Watch::new(args.json);
    if args.file.as_deref() == Some(Path::new("-")) {
        let out = BufWriter::new(io::stdout().lock());
        let summary = backup::create(&args.data_dir, settings.as_deref(), out, &mut |now| watch.see(now))?;
        watch.end();
        report_to(io::stderr().lock(), args.json, None, began, &summary)?;
        return Ok(());
    }
    let file = match &args.file {
        Some(file) => file.clone(),
        None => jiff::Zoned::now().strftime("renga-%Y%m%d-%H%M%S.tar").to_string().into(),
    };
    if file.exists() {
        bail!("`{}` is there already: name another file", file.display());
    }
    let unfinished = file.with_added_extension("unfinished");
    let made = write(&args.data_dir, settings.as_deref(), &unfinished, &mut watch);
    watch.end();
    let summary = match made {
        Ok(summary) => summary,
        Err(error) => {
            // The error is the one to tell.
            let _ = fs::remove_file(&unfinished);
            return Err(error);
        }
    };
    fs::rename(&unfinished, &file).with_context(|| format!("could not name the archive `{}`", file.display()))?;
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).context("could not sync the archive's folder")?;
    report_to(io::stdout().lock(), args.json, Some(&file), began, &summary)
}

fn write(data_dir: &Path, settings: Option<&Path>, to: &Path, watch: &mut Watch) -> anyhow::Result<Summary> {
    let could_not = || format!("could not write `{}`", to.display());
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(to);
    let mut out = BufWriter::with_capacity(1 << 20, file.with_context(could_not)?);
    let summary = backup::create(data_dir, settings, &mut out, &mut |now| watch.see(now))?;
    let file = out.into_inner().map_err(io::IntoInnerError::into_error).with_context(could_not)?;
    file.sync_all().with_context(could_not)?;
    Ok(summary)
}

fn verify(args: &VerifyArgs) -> anyhow::Result<()> {
    let began = Instant::now();
    let mut watch = Watch::new(args.json);
    let verified = backup::verify(open(&args.file)?, &mut |now| watch.see(now));
    watch.end();
    let summary = verified?;
    if !summary.lost_images.is_empty() {
        bail!(
            "the archive is whole, but {} slugs that apps ran were lost before it was made: {}",
            summary.lost_images.len(),
            summary.lost_images.join(", ")
        );
    }
    report_to(io::stdout().lock(), args.json, Some(&args.file), began, &summary)
}

fn restore(args: &RestoreArgs) -> anyhow::Result<()> {
    let began = Instant::now();
    let archive = open(&args.file)?;
    let data_dir = DataDir::for_restore(&args.data_dir)?;
    let mut watch = Watch::new(args.json);
    let restored = backup::restore(archive, data_dir.path(), DataDir::may_precede_a_restore, &mut |now| watch.see(now));
    watch.end();
    let summary = restored?;
    report_to(io::stdout().lock(), args.json, Some(&args.file), began, &summary)?;
    if !args.json {
        println!("Start it: renga server --data-dir {}", data_dir.path().display());
        let settings = data_dir.join("settings/renga.toml");
        if settings.exists() {
            println!("The settings that it had are in {}", settings.display());
        }
    }
    Ok(())
}

fn open(file: &Path) -> anyhow::Result<Box<dyn Read>> {
    if file == Path::new("-") {
        return Ok(Box::new(io::stdin().lock()));
    }
    let opened = File::open(file).with_context(|| format!("could not open `{}`", file.display()))?;
    Ok(Box::new(BufReader::with_capacity(1 << 20, opened)))
}

fn report_to(
    mut out: impl Write,
    json: bool,
    file: Option<&Path>,
    began: Instant,
    summary: &Summary,
) -> anyhow::Result<()> {
    let took = began.elapsed();
    if json {
        let report = Report { file, took_ms: took.as_millis(), summary };
        writeln!(out, "{}", serde_json::to_string_pretty(&report)?)?;
        return Ok(());
    }
    writeln!(
        out,
        "{}: {} apps, {} releases, {} slugs, {} repositories; {} files, {:.1} MB, in {:.1} s",
        file.map_or("backup".into(), |file| file.display().to_string()),
        summary.apps,
        summary.releases,
        summary.images,
        summary.repositories,
        summary.files,
        summary.bytes as f64 / 1e6,
        took.as_secs_f64(),
    )?;
    let gone = summary.absent_images.len();
    if gone > 0 {
        writeln!(out, "{gone} slugs of old releases were collected before, and are not in it")?;
    }
    for lost in &summary.lost_images {
        writeln!(out, "warning: an app runs the slug {lost}, which is lost; deploy that app again")?;
    }
    Ok(())
}

/// Shows how far it is: on a terminal a line that changes, else the name of each part.
struct Watch {
    silent: bool,
    is_terminal: bool,
    part: String,
    shown: Option<Instant>,
}

impl Watch {
    fn new(silent: bool) -> Self {
        Self { silent, is_terminal: io::stderr().is_terminal(), part: String::new(), shown: None }
    }

    fn see(&mut self, now: Progress<'_>) {
        const OFTEN: Duration = Duration::from_millis(100);
        let is_new = self.part != now.part;
        if self.silent || !(is_new || self.is_terminal && self.shown.is_none_or(|shown| shown.elapsed() > OFTEN)) {
            return;
        }
        if is_new {
            self.part = now.part.to_owned();
        }
        self.shown = Some(Instant::now());
        if self.is_terminal {
            eprint!("\r\x1b[K{}: {} files, {:.1} MB", now.part, now.files, now.bytes as f64 / 1e6);
        } else {
            eprintln!("{}", now.part);
        }
    }

    /// Clears the line.
    fn end(&self) {
        if self.is_terminal && self.shown.is_some() {
            eprint!("\r\x1b[K");
        }
    }
}
