//! Making an archive of a data directory.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use images::{BlobError, BlobStore, Image, ImageError};
use jiff::Timestamp;
use store::{MasterKeys, SlugImage, Snapshot};

use crate::archive::{ArchiveWriter, Owner, ROOTS_OWN, sha256};
use crate::contents::{
    BLOBS, DATABASE, HEAD, KEYS, MANIFEST, MANIFEST_DIGEST, REPOSITORIES, SETTINGS, TLS, TRANSCRIPTS, is_registry,
};
use crate::error::BackupError;
use crate::manifest::{FORMAT, Head, Manifest, Summary};
use crate::{Progress, repository};
use images::GcLock;

/// Writes a backup of `data_dir` to `out`, whether or not a server works there;
/// see the crate's text for what makes it consistent. `settings` is the
/// server's configuration file. Blocks, and waits for a collection of garbage
/// to end. The copy of the database needs its size in free disk for a while.
pub fn create(
    data_dir: &Path,
    settings: Option<&Path>,
    out: impl Write,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Summary, BackupError> {
    if !data_dir.join(DATABASE).is_file() {
        return Err(BackupError::NotADataDir(data_dir.to_owned()));
    }
    let lock = GcLock::shared(data_dir).map_err(|source| read(&data_dir.join("run"), source))?;
    let work = Work { data_dir, archive: ArchiveWriter::new(out, progress) };
    let summary = work.run(settings)?;
    drop(lock);
    Ok(summary)
}

struct Work<'a, W: Write> {
    data_dir: &'a Path,
    archive: ArchiveWriter<'a, W>,
}

/// The database's copy, with the keys that open it.
struct Truth {
    /// Removes the copy.
    _folder: tempfile::TempDir,
    database: PathBuf,
    keys: Vec<(String, Vec<u8>, Owner)>,
    images: Vec<SlugImage>,
    apps: u64,
    releases: u64,
}

/// The slugs that were taken, and those whose blobs are not there.
#[derive(Default)]
struct Blobs {
    images: BTreeMap<String, Vec<String>>,
    absent: Vec<String>,
    /// Those of the absent that some app runs.
    lost: Vec<String>,
}

impl<W: Write> Work<'_, W> {
    fn run(mut self, settings: Option<&Path>) -> Result<Summary, BackupError> {
        let head = Head {
            format: FORMAT,
            made_by: concat!("renga ", env!("CARGO_PKG_VERSION")).to_owned(),
            made_at: Timestamp::now(),
        };
        self.archive.content(HEAD, &json(&head)?, ROOTS_OWN)?;
        let repositories = self.repositories()?;
        let truth = self.truth()?;
        self.archive.file(DATABASE, &open(&truth.database)?, &truth.database)?;
        self.own_folder(KEYS)?;
        for (name, content, owner) in &truth.keys {
            self.archive.content(&format!("{KEYS}/{name}"), content, *owner)?;
        }
        self.tree(TLS, |name| !name.starts_with("bundle-"))?;
        self.tree(TRANSCRIPTS, |_| true)?;
        let blobs = self.blobs(&truth.images)?;
        self.operators_files(settings)?;

        let summary = Summary {
            made_by: head.made_by,
            made_at: head.made_at,
            apps: truth.apps,
            releases: truth.releases,
            repositories,
            images: truth.images.len() as u64,
            absent_images: blobs.absent,
            lost_images: blobs.lost,
            files: self.archive.files().len() as u64,
            bytes: self.archive.bytes(),
        };
        let files = self.archive.files().clone();
        let manifest = json(&Manifest { summary: summary.clone(), files, images: blobs.images })?;
        self.archive.content(MANIFEST, &manifest, ROOTS_OWN)?;
        self.archive.content(MANIFEST_DIGEST, sha256(&manifest).as_bytes(), ROOTS_OWN)?;
        self.archive.end()?;
        Ok(summary)
    }

    fn repositories(&mut self) -> Result<u64, BackupError> {
        let folder = self.data_dir.join(REPOSITORIES);
        self.own_folder(REPOSITORIES)?;
        let mut count = 0;
        for name in names_in(&folder)?.into_iter().filter(|name| name.ends_with(".git")) {
            let path = folder.join(&name);
            let Some(opened) = repository::open(&path)? else { continue };
            let inside = |at: &Path| format!("{REPOSITORIES}/{name}/{}", at.display());
            for (at, owner) in &opened.folders {
                self.archive.folder(inside(at).trim_end_matches('/'), *owner)?;
            }
            for (at, file) in &opened.files {
                self.archive.file(&inside(at), file, &path.join(at))?;
            }
            count += 1;
        }
        Ok(count)
    }

    /// Keys may be exchanged while the database is copied: then both again.
    fn truth(&self) -> Result<Truth, BackupError> {
        const TRIES: u32 = 5;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(BackupError::Start)?;
        for _ in 0..TRIES {
            let keys = self.keys()?;
            if let Some(truth) = runtime.block_on(self.copied(keys))? {
                return Ok(truth);
            }
        }
        Err(BackupError::KeysChange(TRIES))
    }

    fn keys(&self) -> Result<Vec<(String, Vec<u8>, Owner)>, BackupError> {
        let folder = self.data_dir.join(KEYS);
        let mut keys = Vec::new();
        for name in names_in(&folder)? {
            let path = folder.join(&name);
            let metadata = fs::metadata(&path).map_err(|source| read(&path, source))?;
            if metadata.is_file() {
                let content = fs::read(&path).map_err(|source| read(&path, source))?;
                keys.push((name, content, Owner::from(&metadata)));
            }
        }
        Ok(keys)
    }

    /// `None` if `keys` do not open all that is sealed in the copy.
    async fn copied(&self, keys: Vec<(String, Vec<u8>, Owner)>) -> Result<Option<Truth>, BackupError> {
        let run = self.data_dir.join("run");
        let folder = tempfile::Builder::new()
            .prefix("backup-")
            .tempdir_in(&run)
            .map_err(|source| BackupError::Write { path: run, source })?;
        let database = folder.path().join(DATABASE);
        Snapshot::take(&self.data_dir.join(DATABASE), &database).await.map_err(BackupError::Copy)?;
        let key_folder = folder.path().join(KEYS);
        let write = |path: &Path, source| BackupError::Write { path: path.to_owned(), source };
        fs::create_dir(&key_folder).map_err(|source| write(&key_folder, source))?;
        for (name, content, _) in &keys {
            let path = key_folder.join(name);
            fs::write(&path, content).map_err(|source| write(&path, source))?;
        }
        let Ok(master) = MasterKeys::open_or_create(&key_folder) else { return Ok(None) };
        let mut copy = Snapshot::open(&database).await.map_err(BackupError::Copy)?;
        if copy.unseal_all(&master).await.is_err() {
            return Ok(None);
        }
        let counts = copy.counts().await.map_err(BackupError::Copy)?;
        let images = copy.images().await.map_err(BackupError::Copy)?;
        copy.close().await.map_err(BackupError::Copy)?;
        let (apps, releases) = (counts.apps, counts.releases);
        Ok(Some(Truth { _folder: folder, database, keys, images, apps, releases }))
    }

    /// All blobs of all slugs.
    fn blobs(&mut self, slugs: &[SlugImage]) -> Result<Blobs, BackupError> {
        let folder = self.data_dir.join(BLOBS);
        let store = BlobStore::open(&folder).map_err(|error| read(&folder, io::Error::other(error)))?;
        self.own_folder(BLOBS)?;
        let mut taken = Blobs::default();
        let mut wanted = BTreeMap::new();
        for slug in slugs {
            let name = slug.manifest.to_string();
            let blobs = match Image::blobs(&store, slug.manifest) {
                Ok(blobs) if blobs.iter().all(|blob| store.path(blob.digest).is_file()) => blobs,
                Ok(_) | Err(ImageError::Blob(BlobError::Absent(_)) | ImageError::Damaged { .. }) => {
                    taken.lost.extend(slug.is_current.then(|| name.clone()));
                    taken.absent.push(name);
                    continue;
                }
                Err(error) => return Err(read(&folder, io::Error::other(error))),
            };
            let paths = blobs.into_iter().map(|blob| {
                let path = store.path(blob.digest);
                let inside = path.strip_prefix(self.data_dir).unwrap_or(&path).to_string_lossy().into_owned();
                wanted.insert(inside.clone(), path);
                inside
            });
            taken.images.insert(name, paths.collect());
        }
        for (inside, path) in wanted {
            self.archive.file(&inside, &open(&path)?, &path)?;
        }
        Ok(taken)
    }

    /// The server's configuration file, and files of the operator's beside the database.
    fn operators_files(&mut self, settings: Option<&Path>) -> Result<(), BackupError> {
        if let Some(path) = settings {
            self.archive.file(&format!("{SETTINGS}/renga.toml"), &open(path)?, path)?;
        }
        for name in names_in(self.data_dir)? {
            let path = self.data_dir.join(&name);
            if is_registry(Path::new(&name)) && path.is_file() {
                self.archive.file(&name, &open(&path)?, &path)?;
            }
        }
        Ok(())
    }

    /// A folder of the data directory with all files that are wanted.
    fn tree(&mut self, top: &str, wanted: impl Fn(&str) -> bool) -> Result<(), BackupError> {
        let mut waiting = vec![top.to_owned()];
        while let Some(folder) = waiting.pop() {
            let whole = self.data_dir.join(&folder);
            if !whole.is_dir() {
                // Gone with its app.
                continue;
            }
            self.own_folder(&folder)?;
            for name in names_in(&whole)?.into_iter().filter(|name| wanted(name)) {
                let path = whole.join(&name);
                let inside = format!("{folder}/{name}");
                if path.is_dir() {
                    waiting.push(inside);
                    continue;
                }
                match File::open(&path) {
                    Ok(file) => self.archive.file(&inside, &file, &path)?,
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(source) => return Err(read(&path, source)),
                }
            }
        }
        Ok(())
    }

    fn own_folder(&mut self, folder: &str) -> Result<(), BackupError> {
        let path = self.data_dir.join(folder);
        match fs::metadata(&path) {
            Ok(metadata) => self.archive.folder(folder, Owner::from(&metadata)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(source) => Err(read(&path, source)),
        }
    }
}

/// In order; none of a folder that is not there.
fn names_in(folder: &Path) -> Result<Vec<String>, BackupError> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(|source| read(folder, source))?,
    };
    let names: io::Result<Vec<String>> =
        entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect();
    let mut names = names.map_err(|source| read(folder, source))?;
    names.sort();
    Ok(names)
}

fn open(path: &Path) -> Result<File, BackupError> {
    File::open(path).map_err(|source| read(path, source))
}

fn read(path: &Path, source: io::Error) -> BackupError {
    BackupError::Read { path: path.to_owned(), source }
}

fn json(value: &impl serde::Serialize) -> Result<Vec<u8>, BackupError> {
    serde_json::to_vec_pretty(value).map_err(|error| BackupError::Archive(error.into()))
}
