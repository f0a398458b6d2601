//! The files of a pushed commit.

use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::Stdio;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};
use tokio::process::ChildStdout;

use crate::process::{Git, Process};
use crate::refs::Oid;

/// A commit's files, to be had as often as wanted while the push lasts.
#[derive(Debug, Clone)]
pub struct Source {
    pub(crate) git: Arc<Git>,
    pub(crate) repository: PathBuf,
    /// The directory below `objects` where git keeps what was pushed until the
    /// verdict.
    pub(crate) quarantine: Option<String>,
    pub(crate) commit: Oid,
}

/// What git says of a commit.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Description {
    pub(crate) summary: String,
    pub(crate) has_submodules: bool,
}

impl Source {
    /// The files as an uncompressed tar: a `pax_global_header` entry with the
    /// commit's id first, then every file as a checkout has it, with modes
    /// 0644 or 0755 and the time of the commit. Submodules are empty
    /// directories. Paths and links are those of the pusher: unpack with care.
    pub fn tar(&self) -> io::Result<Tar> {
        let mut command = self.command(["archive", "--format=tar", self.commit.as_str()])?;
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = Process::spawn(&mut command)?;
        let stdout = process.child.stdout.take().ok_or_else(|| io::Error::other("git has no stdout"))?;
        Ok(Tar { stdout, end: Some(Box::pin(end(process))) })
    }

    /// `None` if the id is not that of a commit.
    pub(crate) async fn describe(&self) -> io::Result<Option<Description>> {
        const MOST_BYTES: u64 = 1 << 20;
        let mut command = self.command(["cat-file", "--batch"])?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = Process::spawn(&mut command)?;
        let (stdin, stdout) = (process.child.stdin.take(), process.child.stdout.take());
        let (mut stdin, stdout) = stdin.zip(stdout).ok_or_else(|| io::Error::other("git has no stdio"))?;
        let commit = &self.commit;
        let asked = format!("{commit}\n{commit}:.gitmodules\n");
        let ask = async move { tokio::io::AsyncWriteExt::write_all(&mut stdin, asked.as_bytes()).await };
        let mut answer = Vec::new();
        let mut stdout = stdout.take(MOST_BYTES);
        let (asked, read) = tokio::join!(ask, stdout.read_to_end(&mut answer));
        asked?;
        read?;
        Ok(described(&answer))
    }

    fn command<const N: usize>(&self, args: [&str; N]) -> io::Result<tokio::process::Command> {
        let mut command = self.git.command(&self.repository, args)?;
        if let Some(quarantine) = &self.quarantine {
            let objects = self.git.inside(&self.repository).join("objects");
            command.env("GIT_OBJECT_DIRECTORY", objects.join(quarantine));
            command.env("GIT_ALTERNATE_OBJECT_DIRECTORIES", objects);
        }
        Ok(command)
    }
}

/// The name of the quarantine below `objects`, if the path (which comes from
/// the hook) is that of one.
pub(crate) fn quarantine_name(path: &str) -> Option<String> {
    let name = Path::new(path).file_name()?.to_str()?;
    (name.starts_with("tmp_objdir-") || name.starts_with("incoming-")).then(|| name.to_owned())
}

/// Reads the answers of `cat-file --batch`: `<oid> commit <size>\n<commit>\n`,
/// then the same for `.gitmodules` or a line that it is missing.
fn described(answer: &[u8]) -> Option<Description> {
    let head_end = memchr_newline(answer)?;
    let head = str::from_utf8(&answer[..head_end]).ok()?;
    let size: usize = head.split_once(" commit ")?.1.parse().ok()?;
    let commit = &answer[head_end + 1..];
    let (commit, rest) = commit.split_at(size.min(commit.len()));
    let commit = String::from_utf8_lossy(commit);
    let message = commit.split_once("\n\n").map_or("", |(_, message)| message);
    let first = message.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("");
    let summary = first.chars().filter(|char| !char.is_control()).take(200).collect();
    Some(Description { summary, has_submodules: has_object(rest) })
}

fn has_object(answer: &[u8]) -> bool {
    let answer = answer.strip_prefix(b"\n").unwrap_or(answer);
    let head = memchr_newline(answer).map(|end| &answer[..end]);
    head.and_then(|head| str::from_utf8(head).ok()).is_some_and(|head| head.contains(" blob "))
}

fn memchr_newline(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|byte| *byte == b'\n')
}

/// A tar that is being made. Ends with an error if git could not make all of
/// it. Dropping it ends git.
pub struct Tar {
    stdout: ChildStdout,
    /// Gone once it has ended well.
    end: Option<Pin<Box<dyn Future<Output = io::Result<()>> + Send>>>,
}

impl AsyncRead for Tar {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stdout).poll_read(context, buffer))?;
        if buffer.filled().len() == before && buffer.remaining() > 0 {
            if let Some(end) = &mut self.end {
                ready!(end.as_mut().poll(context))?;
            }
            self.end = None;
        }
        Poll::Ready(Ok(()))
    }
}

/// Git's own verdict, after its last byte.
async fn end(mut process: Process) -> io::Result<()> {
    let status = process.wait().await?;
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("git archive ended with {status}"))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_described_from_what_git_answers() {
        let commit = "tree 1\nauthor a\n\nFix it\n\nMore.\n";
        let oid = "1".repeat(40);
        let without = format!("{oid} commit {}\n{commit}\n{oid}:.gitmodules missing\n", commit.len());
        let described = |answer: &str| super::described(answer.as_bytes());
        assert_eq!(described(&without), Some(Description { summary: "Fix it".to_owned(), has_submodules: false }));
        let with = format!("{oid} commit {}\n{commit}\n{oid} blob 3\nabc\n", commit.len());
        assert!(described(&with).unwrap().has_submodules);
        assert_eq!(described(&format!("{oid} tag 3\nabc\n")), None);
        assert_eq!(described(&format!("{oid} missing\n")), None);
    }

    #[test]
    fn a_quarantine_is_a_directory_of_git_below_objects() {
        assert_eq!(
            quarantine_name("/repo/./objects/tmp_objdir-incoming-Ab1").as_deref(),
            Some("tmp_objdir-incoming-Ab1")
        );
        assert_eq!(quarantine_name("/repo/objects/incoming-Ab1").as_deref(), Some("incoming-Ab1"));
        for bad in ["", "/", "/etc", "/repo/objects/tmp_objdir-x/.."] {
            assert_eq!(quarantine_name(bad), None, "{bad}");
        }
    }
}
