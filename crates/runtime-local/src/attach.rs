//! The client's end of an attached dyno's stdio.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use runtime::Attachment;
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::sys;

/// One direction of a pipe or of a terminal's master. While it is open it
/// holds the dyno's *lifeline*, if it was given that: once the lifeline is
/// closed (also by the server's death) the keeper hangs up.
struct End {
    file: Option<AsyncFd<File>>,
    lifeline: Option<OwnedFd>,
}

impl End {
    fn new(fd: OwnedFd, lifeline: Option<OwnedFd>) -> io::Result<Self> {
        Ok(Self { file: Some(sys::awaitable(fd)?), lifeline })
    }
}

/// End of `input` is end of file for the dyno; it is hung up once `output` is
/// dropped too.
pub(crate) fn pipes(input: OwnedFd, output: OwnedFd, lifeline: OwnedFd) -> io::Result<Attachment> {
    Ok(Attachment { input: Box::new(End::new(input, None)?), output: Box::new(End::new(output, Some(lifeline))?) })
}

/// End of `input` hangs the dyno up.
pub(crate) fn terminal(master: OwnedFd, lifeline: OwnedFd) -> io::Result<Attachment> {
    let input = master.try_clone()?;
    Ok(Attachment { input: Box::new(End::new(input, Some(lifeline))?), output: Box::new(End::new(master, None)?) })
}

impl AsyncRead for End {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Some(file) = &self.get_mut().file else { return Poll::Ready(Ok(())) };
        loop {
            let mut guard = ready!(file.poll_read_ready(context))?;
            let unfilled = buffer.initialize_unfilled();
            match guard.try_io(|file| file.get_ref().read(unfilled)) {
                Ok(Ok(length)) => {
                    buffer.advance(length);
                    return Poll::Ready(Ok(()));
                }
                // A terminal whose other end nobody has open any more.
                Ok(Err(error)) if error.raw_os_error() == Some(libc::EIO) => return Poll::Ready(Ok(())),
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(Err(error)) => return Poll::Ready(Err(error)),
                Err(_would_block) => {}
            }
        }
    }
}

impl AsyncWrite for End {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Some(file) = &self.get_mut().file else { return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())) };
        loop {
            let mut guard = ready!(file.poll_write_ready(context))?;
            match guard.try_io(|file| file.get_ref().write(bytes)) {
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(written) => return Poll::Ready(written),
                Err(_would_block) => {}
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let end = self.get_mut();
        end.file = None;
        end.lifeline = None;
        Poll::Ready(Ok(()))
    }
}
