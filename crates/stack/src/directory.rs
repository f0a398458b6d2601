//! The folder of stack images, shared by all servers of a machine.
//!
//! `debian-13.squashfs` beside `debian-13.json`, which tells the recipe it was
//! made from. A file lock lets one process make a stack while others wait for
//! it. An image that is in use is never written to: a new one takes its name.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::Stack;
use crate::bootstrap::{self, BootstrapError, DEBIAN_13, Recipe};

/// A stack that can be used now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StackImage {
    /// A squashfs file of a whole root filesystem.
    File { stack: Stack, path: PathBuf, version: String },
    /// The machine's own `/usr`; there is no file.
    Host,
}

#[derive(Debug, thiserror::Error)]
pub enum EnsureError {
    #[error("could not make the stack {stack}")]
    Bootstrap { stack: Stack, source: BootstrapError },
    #[error("could not {doing} `{}`", path.display())]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
    #[error("the metadata of the stack {stack} could not be written")]
    Metadata { stack: Stack, source: serde_json::Error },
}

/// Told beside the image, in `<stack>.json`.
#[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Metadata {
    stack: String,
    /// Names suite, packages and hooks by a hash: another value, another stack.
    recipe: String,
    architecture: String,
    size_bytes: u64,
    pub(crate) created_at_unix_s: u64,
    /// The image's file name.
    pub(crate) file: String,
}

/// A folder of stacks. Cheap to clone; nothing is made before [`StackDir::ensure`].
#[derive(Debug, Clone)]
pub struct StackDir {
    path: PathBuf,
    mirror: Option<String>,
}

impl StackDir {
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), mirror: None }
    }

    /// Uses this Debian mirror (`RENGA_DEBIAN_MIRROR`) in place of Debian's own
    /// servers. It must also carry security updates if those are wanted.
    #[must_use]
    pub fn with_mirror(mut self, mirror: Option<String>) -> Self {
        self.mirror = mirror.filter(|mirror| !mirror.is_empty());
        self
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The stack if it is there, of whatever recipe: never makes one.
    pub fn existing(&self, stack: Stack) -> Option<StackImage> {
        if stack == Stack::Host {
            return Some(StackImage::Host);
        }
        let metadata = self.metadata(stack)?;
        let path = self.path.join(&metadata.file);
        path.is_file().then_some(StackImage::File { stack, path, version: metadata.recipe })
    }

    /// The stack, made first if need be (about a minute; 1.5 GB of disk while
    /// at it, 350 MB after). `progress` gets one line at a time without line
    /// end. If another process is making it, waits for that one. If a stack of
    /// an older recipe is there and the new one can't be made, the older is
    /// taken and `progress` told why.
    pub async fn ensure(&self, stack: Stack, progress: impl Fn(&str) + Send + Sync) -> Result<StackImage, EnsureError> {
        let Some(recipe) = recipe(stack) else { return Ok(StackImage::Host) };
        let version = fingerprint(recipe);
        if let Some(image) = self.existing_of(stack, &version) {
            return Ok(image);
        }
        std::fs::create_dir_all(&self.path).map_err(|source| self.io("make", &self.path, source))?;
        let lock = self.locked(stack, &progress).await?;
        if let Some(image) = self.existing_of(stack, &version) {
            return Ok(image);
        }
        let made = self.make(stack, recipe, &version, &progress).await;
        drop(lock);
        match (made, self.existing(stack)) {
            (Err(error), Some(older)) => {
                progress(&format!("The new version of the stack can't be made, the older one stays: {error}"));
                tracing::warn!(stack = %stack, error = %error, "Keeping the older version of the stack");
                Ok(older)
            }
            (made, _) => made,
        }
    }

    fn existing_of(&self, stack: Stack, wanted: &str) -> Option<StackImage> {
        self.existing(stack).filter(|image| matches!(image, StackImage::File { version, .. } if version == wanted))
    }

    pub(crate) fn metadata(&self, stack: Stack) -> Option<Metadata> {
        let text = std::fs::read(self.path.join(format!("{stack}.json"))).ok()?;
        let metadata: Metadata = serde_json::from_slice(&text).ok()?;
        // A file name only: what the JSON says must not lead out of the folder.
        (!metadata.file.contains('/') && metadata.architecture == std::env::consts::ARCH).then_some(metadata)
    }

    async fn make(
        &self,
        stack: Stack,
        recipe: &Recipe,
        version: &str,
        progress: &(impl Fn(&str) + Send + Sync),
    ) -> Result<StackImage, EnsureError> {
        let scratch = self.path.join(format!(".{stack}.scratch"));
        let _swept = std::fs::remove_dir_all(&scratch);
        std::fs::create_dir_all(&scratch).map_err(|source| self.io("make", &scratch, source))?;
        let unfinished = scratch.join("image");
        let log = self.progress_file(stack);
        let tell = |line: &str| {
            progress(line);
            // Only for those who wait: losing a line of it harms nobody.
            let _told = std::fs::write(&log, line);
        };
        tell(&format!("Making the stack {stack} from Debian's packages (once per machine)"));
        let made = bootstrap::bootstrap(recipe, self.mirror.as_deref(), &scratch, &unfinished, tell).await;
        let finished = match made {
            Ok(()) => self.publish(stack, version, &unfinished),
            Err(source) => Err(EnsureError::Bootstrap { stack, source }),
        };
        let _swept = std::fs::remove_dir_all(&scratch);
        let _swept = std::fs::remove_file(&log);
        finished
    }

    /// The image first, then the metadata that names it: whoever reads the
    /// metadata finds a whole image.
    fn publish(&self, stack: Stack, version: &str, unfinished: &Path) -> Result<StackImage, EnsureError> {
        let file = format!("{stack}-{version}.squashfs");
        let path = self.path.join(&file);
        let opened = File::open(unfinished).map_err(|source| self.io("open", unfinished, source))?;
        opened.sync_all().map_err(|source| self.io("write", unfinished, source))?;
        let size_bytes = opened.metadata().map_err(|source| self.io("look at", unfinished, source))?.len();
        std::fs::rename(unfinished, &path).map_err(|source| self.io("name", &path, source))?;
        let metadata = Metadata {
            stack: stack.name().to_owned(),
            recipe: version.to_owned(),
            architecture: std::env::consts::ARCH.to_owned(),
            size_bytes,
            created_at_unix_s: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
            file,
        };
        let text = serde_json::to_vec_pretty(&metadata).map_err(|source| EnsureError::Metadata { stack, source })?;
        let named = self.path.join(format!("{stack}.json"));
        let unnamed = self.path.join(format!(".{stack}.json"));
        std::fs::write(&unnamed, text).map_err(|source| self.io("write", &unnamed, source))?;
        std::fs::rename(&unnamed, &named).map_err(|source| self.io("name", &named, source))?;
        Ok(StackImage::File { stack, path, version: version.to_owned() })
    }

    /// The lock ends with the file, thus also with a killed process.
    async fn locked(&self, stack: Stack, progress: &(impl Fn(&str) + Send + Sync)) -> Result<File, EnsureError> {
        const LOOK_AGAIN: Duration = Duration::from_millis(300);
        let path = self.path.join(format!("{stack}.lock"));
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|source| self.io("open", &path, source))?;
        let mut heard = String::new();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::Error(source)) => return Err(self.io("lock", &path, source)),
                Err(TryLockError::WouldBlock) => {}
            }
            if heard.is_empty() {
                heard.push_str("Another process is making this stack; waiting for it");
                progress(&heard);
            }
            // Absent until the other one has something to tell.
            if let Ok(told) = std::fs::read_to_string(self.progress_file(stack))
                && !told.is_empty()
                && told != heard
            {
                progress(&told);
                heard = told;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    fn progress_file(&self, stack: Stack) -> PathBuf {
        self.path.join(format!(".{stack}.progress"))
    }

    fn io(&self, doing: &'static str, path: &Path, source: io::Error) -> EnsureError {
        EnsureError::Io { doing, path: path.to_owned(), source }
    }
}

fn recipe(stack: Stack) -> Option<&'static Recipe> {
    match stack {
        Stack::Debian13 => Some(&DEBIAN_13),
        Stack::Host => None,
    }
}

/// FNV-1a over the recipe's text: names a version, protects nothing.
fn fingerprint(recipe: &Recipe) -> String {
    let text = format!("{recipe:?}");
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    format!("{:08x}", hash >> 32)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    fn dir_with_image(recipe: &str) -> (tempfile::TempDir, StackDir) {
        let folder = tempfile::tempdir().unwrap();
        let stacks = StackDir::new(folder.path());
        let unfinished = folder.path().join("unfinished");
        std::fs::write(&unfinished, "image").unwrap();
        stacks.publish(Stack::Debian13, recipe, &unfinished).unwrap();
        (folder, stacks)
    }

    #[tokio::test]
    async fn a_stack_of_the_same_recipe_is_taken_as_it_is() {
        let version = fingerprint(&DEBIAN_13);
        let (folder, stacks) = dir_with_image(&version);
        let image = stacks.ensure(Stack::Debian13, |line| panic!("{line}")).await.unwrap();
        let path = folder.path().join(format!("debian-13-{version}.squashfs"));
        assert_eq!(image, StackImage::File { stack: Stack::Debian13, path, version });
    }

    #[tokio::test]
    async fn the_host_needs_no_file() {
        let stacks = StackDir::new("/nonexistent");
        assert_eq!(stacks.ensure(Stack::Host, |line| panic!("{line}")).await.unwrap(), StackImage::Host);
    }

    #[test]
    fn an_image_that_is_gone_or_named_elsewhere_does_not_exist() {
        let (folder, stacks) = dir_with_image("old");
        assert!(stacks.existing(Stack::Debian13).is_some());
        std::fs::remove_file(folder.path().join("debian-13-old.squashfs")).unwrap();
        assert_eq!(stacks.existing(Stack::Debian13), None);
        let json = std::fs::read_to_string(folder.path().join("debian-13.json")).unwrap();
        std::fs::write(folder.path().join("debian-13.json"), json.replace("debian-13-old", "../../etc/passwd"))
            .unwrap();
        assert_eq!(stacks.existing(Stack::Debian13), None);
    }

    #[tokio::test]
    async fn the_second_process_waits_for_the_first_and_takes_its_stack() {
        let folder = tempfile::tempdir().unwrap();
        let stacks = StackDir::new(folder.path());
        let first = stacks.locked(Stack::Debian13, &|line: &str| panic!("{line}")).await.unwrap();
        std::fs::write(stacks.progress_file(Stack::Debian13), "halfway").unwrap();
        let heard = Mutex::new(Vec::new());
        let second = stacks.ensure(Stack::Debian13, |line| heard.lock().unwrap().push(line.to_owned()));
        let finish = async {
            while heard.lock().unwrap().len() < 2 {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            let unfinished = folder.path().join("unfinished");
            std::fs::write(&unfinished, "image").unwrap();
            stacks.publish(Stack::Debian13, &fingerprint(&DEBIAN_13), &unfinished).unwrap();
            drop(first);
        };
        let (image, ()) = tokio::join!(second, finish);
        assert!(matches!(image.unwrap(), StackImage::File { .. }));
        let heard = heard.lock().unwrap();
        assert!(heard[0].contains("waiting"), "{heard:?}");
        assert_eq!(heard[1], "halfway");
    }
}
