//! Text that grows until it is finished: the output of a build or of a release
//! command. It lies in a file, so that it can be read again at any time, and
//! may be followed by any number of readers while it grows.

use std::collections::HashMap;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use domain::AppId;
use futures::Stream;
use jiff::Timestamp;
use tokio::sync::watch;
use uuid::Uuid;

/// Bytes of a transcript as they come; ends when the transcript is finished.
pub type OutputStream = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

/// A transcript keeps this much and then says that the rest is left out.
const LIMIT_BYTES: u64 = 16 * 1024 * 1024;
const CHUNK_BYTES: usize = 64 * 1024;

/// Which transcript: the app's, and within it the build's or the release's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TranscriptId {
    pub(crate) app: AppId,
    pub(crate) id: Uuid,
}

impl fmt::Display for TranscriptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.app, self.id)
    }
}

impl FromStr for TranscriptId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        let (app, id) = text.split_once('/').unwrap_or_default();
        Ok(Self { app: app.parse()?, id: id.parse()? })
    }
}

/// All transcripts: a file each, in a folder for each app.
#[derive(Clone)]
pub(crate) struct Transcripts {
    dir: PathBuf,
    growing: Arc<Mutex<HashMap<TranscriptId, watch::Receiver<Progress>>>>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Progress {
    bytes: u64,
    finished: bool,
}

impl Transcripts {
    pub(crate) fn open(dir: &Path) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        Ok(Self { dir: dir.to_owned(), growing: Arc::default() })
    }

    fn path(&self, id: TranscriptId) -> PathBuf {
        self.dir.join(format!("{id}.log"))
    }

    /// Starts the transcript `id`. It is finished when the value is dropped.
    /// What is written also goes to `copy`, if there is one.
    pub(crate) fn create(&self, id: TranscriptId, copy: Option<Arc<Transcript>>) -> io::Result<Arc<Transcript>> {
        let path = self.path(id);
        fs::create_dir_all(path.parent().unwrap_or(&self.dir))?;
        let file = File::create(path)?;
        let (progress, followers) = watch::channel(Progress::default());
        self.growing.lock().unwrap_or_else(PoisonError::into_inner).insert(id, followers);
        Ok(Arc::new(Transcript { id, file: Mutex::new(file), progress, all: self.clone(), copy }))
    }

    /// The transcript from its start, followed to its end; `None` if there is
    /// none under this id.
    pub(crate) fn follow(&self, id: TranscriptId) -> io::Result<Option<OutputStream>> {
        let growing = self.growing.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned();
        let file = match File::open(self.path(id)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let reader = Reader { file, offset: 0, growing };
        let stream = futures::stream::try_unfold(reader, async |mut reader| {
            Ok(reader.next().await?.map(|bytes| (bytes, reader)))
        });
        Ok(Some(Box::pin(stream)))
    }

    /// The transcripts of an app, in no order.
    pub(crate) fn list(&self, app: AppId) -> io::Result<Vec<Kept>> {
        let entries = match fs::read_dir(self.dir.join(app.to_string())) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut kept = Vec::new();
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            let id = name.to_str().and_then(|name| name.strip_suffix(".log")).and_then(|id| id.parse().ok());
            let Some(id) = id.map(|id| TranscriptId { app, id }) else { continue };
            let metadata = entry.metadata()?;
            let written_at = Timestamp::try_from(metadata.modified()?).map_err(io::Error::other)?;
            let is_growing = self.growing.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&id);
            kept.push(Kept { id, bytes: metadata.blocks() * 512, written_at, is_growing });
        }
        Ok(kept)
    }

    /// Forgets one; that it is not there is fine.
    pub(crate) fn remove(&self, id: TranscriptId) -> io::Result<()> {
        match fs::remove_file(self.path(id)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Forgets all transcripts of an app that is gone.
    pub(crate) fn remove_all(&self, app: AppId) -> io::Result<()> {
        match fs::remove_dir_all(self.dir.join(app.to_string())) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// A transcript as it lies on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) id: TranscriptId,
    /// What it takes on the disk.
    pub(crate) bytes: u64,
    pub(crate) written_at: Timestamp,
    /// Someone still writes it.
    pub(crate) is_growing: bool,
}

struct Reader {
    file: File,
    offset: u64,
    growing: Option<watch::Receiver<Progress>>,
}

impl Reader {
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            let finished = match &mut self.growing {
                Some(growing) => growing.borrow_and_update().finished,
                None => true,
            };
            let mut chunk = vec![0; CHUNK_BYTES];
            self.file.seek(SeekFrom::Start(self.offset))?;
            let count = self.file.read(&mut chunk)?;
            if count > 0 {
                self.offset += count as u64;
                chunk.truncate(count);
                return Ok(Some(chunk.into()));
            }
            if finished {
                return Ok(None);
            }
            if let Some(growing) = &mut self.growing
                && growing.changed().await.is_err()
            {
                self.growing = None; // the writer is gone; read what it left
            }
        }
    }
}

/// A transcript that is being written.
pub(crate) struct Transcript {
    id: TranscriptId,
    file: Mutex<File>,
    progress: watch::Sender<Progress>,
    all: Transcripts,
    copy: Option<Arc<Transcript>>,
}

impl Transcript {
    /// Adds bytes. A full disk shows in the platform's log, not as a failure
    /// of what is being written about.
    pub(crate) fn write(&self, bytes: &[u8]) {
        if let Some(copy) = &self.copy {
            copy.write(bytes);
        }
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let written = self.progress.borrow().bytes;
        if written > LIMIT_BYTES {
            return;
        }
        let room = usize::try_from(LIMIT_BYTES - written).unwrap_or(usize::MAX);
        let (kept, mark): (&[u8], &[u8]) = match bytes.len() > room {
            true => (&bytes[..room], b"\n !     Output is longer than 16 MiB; the rest is left out.\n"),
            false => (bytes, b""),
        };
        if let Err(error) = file.write_all(kept).and_then(|()| file.write_all(mark)) {
            tracing::error!(transcript.id = %self.id, %error, "Could not write to a transcript");
        }
        self.progress.send_modify(|progress| progress.bytes += (kept.len() + mark.len()) as u64);
    }

    pub(crate) fn line(&self, text: &str) {
        self.write(format!("{text}\n").as_bytes());
    }
}

impl Drop for Transcript {
    fn drop(&mut self) {
        self.progress.send_modify(|progress| progress.finished = true);
        self.all.growing.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use futures::TryStreamExt;

    use super::*;

    fn id(number: u128) -> TranscriptId {
        TranscriptId { app: AppId(Uuid::from_u128(7)), id: Uuid::from_u128(number) }
    }

    async fn text(stream: OutputStream) -> String {
        let chunks: Vec<Bytes> = stream.try_collect().await.unwrap();
        String::from_utf8(chunks.concat()).unwrap()
    }

    #[tokio::test]
    async fn a_follower_reads_from_the_start_to_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let transcripts = Transcripts::open(dir.path()).unwrap();
        let id = id(1);
        let transcript = transcripts.create(id, None).unwrap();
        transcript.line("one");
        let follower = tokio::spawn(text(transcripts.follow(id).unwrap().unwrap()));
        tokio::task::yield_now().await;
        transcript.line("two");
        drop(transcript);
        assert_eq!(follower.await.unwrap(), "one\ntwo\n");
        assert_eq!(text(transcripts.follow(id).unwrap().unwrap()).await, "one\ntwo\n");
    }

    #[tokio::test]
    async fn the_transcripts_of_an_app_are_listed_and_removed() {
        let dir = tempfile::tempdir().unwrap();
        let transcripts = Transcripts::open(dir.path()).unwrap();
        let _growing = transcripts.create(id(1), None).unwrap();
        transcripts.create(id(2), None).unwrap().line("done");
        let mut kept = transcripts.list(id(1).app).unwrap();
        kept.sort_by_key(|kept| kept.id.id);
        assert_eq!(
            kept.iter().map(|kept| (kept.id, kept.is_growing)).collect::<Vec<_>>(),
            [(id(1), true), (id(2), false)]
        );
        for _ in 0..2 {
            transcripts.remove(id(2)).unwrap();
        }
        assert!(transcripts.follow(id(2)).unwrap().is_none());
        assert!(transcripts.list(AppId(Uuid::from_u128(8))).unwrap().is_empty());
    }

    #[tokio::test]
    async fn an_unknown_transcript_is_none() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Transcripts::open(dir.path()).unwrap().follow(id(0)).unwrap().is_none());
    }

    #[tokio::test]
    async fn too_long_a_transcript_is_cut_with_a_mark() {
        let dir = tempfile::tempdir().unwrap();
        let transcripts = Transcripts::open(dir.path()).unwrap();
        let transcript = transcripts.create(id(0), None).unwrap();
        for _ in 0..20 {
            transcript.write(&vec![b'x'; 1024 * 1024]);
        }
        drop(transcript);
        let kept = text(transcripts.follow(id(0)).unwrap().unwrap()).await;
        assert!(kept.len() < 17 * 1024 * 1024 && kept.ends_with("the rest is left out.\n"));
    }
}
