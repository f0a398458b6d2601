//! Sources: tarballs that clients put here, for builds to take.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use domain::{Secret, SourceId};
use futures::{Stream, StreamExt};
use tokio::fs::File;
use tokio::io::AsyncWriteExt;

use crate::Platform;
use crate::error::{PlatformError, Resource};

/// A source tarball may hold this much (Heroku's limit for a checkout is 1 GB).
pub const SOURCE_LIMIT_BYTES: u64 = 1024 * 1024 * 1024;

/// How the names of uploads begin that have not arrived whole.
const PARTIAL: &str = ".partial-";

pub struct Sources<'a> {
    pub(crate) platform: &'a Arc<Platform>,
}

/// Where a tarball is put and got, below the platform's public URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceUrls {
    pub get_path: String,
    pub put_path: String,
}

impl Sources<'_> {
    /// A place for one tarball. Its secret path is all that is needed to use it.
    pub async fn create(&self) -> Result<SourceUrls, PlatformError> {
        let source = self.platform.store.sources().create(self.platform.now()).await?;
        let path = format!("/sources/{}", source.secret.expose());
        Ok(SourceUrls { get_path: path.clone(), put_path: path })
    }

    /// Stores the tarball; one that was there before is replaced when the new
    /// one has arrived whole.
    pub async fn put<E>(
        &self,
        secret: &str,
        mut body: impl Stream<Item = Result<Bytes, E>> + Unpin,
    ) -> Result<(), PlatformError>
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        let id = self.find(secret).await?;
        let path = self.platform.source_path(id);
        let parent = path.parent().map(PathBuf::from).unwrap_or_default();
        tokio::fs::create_dir_all(&parent).await.map_err(anyhow::Error::from)?;
        let temporary = tempfile::Builder::new().prefix(PARTIAL).tempfile_in(&parent).map_err(anyhow::Error::from)?;
        let mut file = File::from_std(temporary.reopen().map_err(anyhow::Error::from)?);
        let mut received = 0;
        while let Some(chunk) = body.next().await {
            let chunk =
                chunk.map_err(|_| PlatformError::Invalid("The upload broke off; put the source again.".to_owned()))?;
            received += chunk.len() as u64;
            if received > SOURCE_LIMIT_BYTES {
                return Err(PlatformError::Invalid(format!(
                    "The source is larger than the limit of {SOURCE_LIMIT_BYTES} bytes."
                )));
            }
            file.write_all(&chunk).await.map_err(anyhow::Error::from)?;
        }
        file.sync_all().await.map_err(anyhow::Error::from)?;
        temporary.persist(&path).map_err(|error| anyhow::Error::from(error.error))?;
        Ok(())
    }

    /// The tarball, to be read from its start.
    pub async fn get(&self, secret: &str) -> Result<File, PlatformError> {
        let id = self.find(secret).await?;
        match File::open(self.platform.source_path(id)).await {
            Ok(file) => Ok(file),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Err(PlatformError::NotFound(Resource::Source))
            }
            Err(error) => Err(anyhow::Error::from(error).into()),
        }
    }

    async fn find(&self, secret: &str) -> Result<SourceId, PlatformError> {
        let found = self.platform.store.sources().find(&Secret::new(secret)).await?;
        found.ok_or(PlatformError::NotFound(Resource::Source))
    }
}

impl Platform {
    fn source_path(&self, id: SourceId) -> PathBuf {
        self.settings.data_dir.join("sources").join(format!("{id}.tgz"))
    }

    /// Deletes what uploads that a crash cut off have left.
    pub(crate) fn sweep_partial_sources(&self) -> std::io::Result<()> {
        let folder = self.settings.data_dir.join("sources");
        let entries = match std::fs::read_dir(folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(PARTIAL) {
                std::fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    /// Sources that are older than a day, and their files: builds take them at once.
    pub(crate) async fn old_sources(&self) -> Result<Vec<(SourceId, PathBuf)>, PlatformError> {
        let yesterday = self.now() - jiff::SignedDuration::from_hours(24);
        let old = self.store.sources().older_than(yesterday).await?;
        Ok(old.into_iter().map(|id| (id, self.source_path(id))).collect())
    }

    /// The file first: without its row nobody would look for it.
    pub(crate) async fn forget_source(&self, id: SourceId) -> Result<(), PlatformError> {
        match tokio::fs::remove_file(self.source_path(id)).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(anyhow::Error::from(error).into()),
            _ => Ok(self.store.sources().remove(id).await.map(|_| ())?),
        }
    }
}
