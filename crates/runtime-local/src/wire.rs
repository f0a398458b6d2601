//! What server and keeper say to each other.
//!
//! The server keeps two connections to the keeper's socket: one for requests
//! and replies, one for output and exits. They are apart so that a server that
//! is slow to read output can still start and stop dynos. Each frame is a
//! length (4 bytes, big endian) and that many bytes: JSON, but for output and
//! acknowledgements. Descriptors travel with the first byte of their frame.

use std::io;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use domain::{AppId, DynoId};
use jiff::Timestamp;
use runtime::{Exit, ExitStatus, Stream};
use serde::{Deserialize, Serialize};

/// Raised when a server of this version can't talk to older keepers.
pub(crate) const PROTOCOL: u32 = 1;

/// A frame that claims more is a fault, not a request.
pub(crate) const MOST_FRAME_BYTES: usize = 16 * 1024 * 1024;

/// The first frame on a connection.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Hello {
    pub(crate) protocol: u32,
    pub(crate) role: Role,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Role {
    Control,
    Events,
}

/// The keeper's answer to [`Hello`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Welcome {
    pub(crate) protocol: u32,
    pub(crate) pid: u32,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Request {
    pub(crate) id: u64,
    #[serde(flatten)]
    pub(crate) order: Order,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case")]
pub(crate) enum Order {
    /// Descriptors: the network namespace, then those of [`PlanStdio`].
    Start {
        plan: Box<Plan>,
    },
    Stop {
        dyno: DynoId,
        grace_ms: u64,
    },
    /// Kills it if it runs; answered once it is gone and forgotten.
    /// The answer brings the network namespace back.
    Forget {
        dyno: DynoId,
    },
    List,
    /// Stops all dynos and ends the keeper; answered when all have ended.
    Shutdown {
        grace_ms: u64,
    },
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Reply {
    pub(crate) id: u64,
    /// How many of the descriptors on their way belong to this reply.
    pub(crate) descriptors: usize,
    pub(crate) result: Result<Answer, Refusal>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
    /// With the host's number of pid 1. Descriptors: the terminal's master, if
    /// one was asked for.
    Started(i32),
    Done,
    Dynos(Vec<Known>),
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Refusal {
    pub(crate) kind: RefusalKind,
    pub(crate) what: String,
    /// `errno`, where the kernel refused.
    pub(crate) code: Option<i32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RefusalKind {
    NoSuchDyno,
    Failed,
}

/// A dyno, ready to be made: every decision is taken, every path is the host's.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(crate) record: Record,
    pub(crate) first_id: u32,
    pub(crate) hostname: String,
    pub(crate) root: PlanRoot,
    /// Directories to lay over each other at `/app`, the first lowest.
    pub(crate) layers: Vec<PathBuf>,
    /// Small files over those of the stack.
    pub(crate) files: Vec<PlanFile>,
    pub(crate) command: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) cwd: PathBuf,
    pub(crate) mounts: Vec<PlanMount>,
    pub(crate) cgroup: PlanCgroup,
    pub(crate) disk: PlanDisk,
    pub(crate) shm_bytes: u64,
    pub(crate) scratch: PathBuf,
    pub(crate) dir: PathBuf,
    pub(crate) stdio: PlanStdio,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PlanRoot {
    /// A mounted root filesystem.
    Mounted(PathBuf),
    Host,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PlanFile {
    /// Relative to the dyno's root.
    pub(crate) path: PathBuf,
    pub(crate) content: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PlanMount {
    pub(crate) source: PathBuf,
    pub(crate) target: PathBuf,
    pub(crate) read_only: bool,
}

/// Groups that exist and have their limits; the dyno has but to join.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PlanCgroup {
    /// The one in the v2 hierarchy, if there is one.
    pub(crate) unified: Option<PathBuf>,
    /// Those in v1 hierarchies.
    pub(crate) legacy: Vec<PathBuf>,
    /// The file with the `oom_kill` counter.
    pub(crate) oom: PathBuf,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PlanDisk {
    /// An ext4 image of its own, copied from this template.
    Image { template: PathBuf },
    /// A plain directory: nothing limits what is written.
    Directory,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PlanStdio {
    Logged,
    /// Descriptors: stdin, output, lifeline.
    Pipes,
    /// Descriptors: lifeline.
    Terminal {
        columns: u16,
        rows: u16,
    },
}

/// What stays known of a dyno after its start, also over a keeper's death.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) id: DynoId,
    pub(crate) app: AppId,
    pub(crate) label: String,
    /// Number of its network and of its range of user ids.
    pub(crate) slot: u16,
    pub(crate) address: Ipv4Addr,
    pub(crate) started_at: Timestamp,
    /// Names in `mounts/` of the images that it uses.
    pub(crate) images: Vec<String>,
    pub(crate) oom: PathBuf,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Known {
    pub(crate) record: Record,
    /// Of its pid 1, as the host numbers it; 0 once it has ended.
    pub(crate) pid: i32,
    pub(crate) exit: Option<Ended>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ended {
    pub(crate) at: Timestamp,
    pub(crate) status: Status,
    pub(crate) out_of_memory: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    Code(i32),
    Signal(i32),
    Unknown,
}

impl From<Ended> for Exit {
    fn from(ended: Ended) -> Self {
        let status = match ended.status {
            Status::Code(code) => ExitStatus::Code(code),
            Status::Signal(signal) => ExitStatus::Signal(signal),
            Status::Unknown => ExitStatus::Unknown,
        };
        Self { status, out_of_memory: ended.out_of_memory }
    }
}

/// What the keeper tells on the events connection.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    Output {
        dyno: DynoId,
        sequence: u64,
        stream: Stream,
        at: Timestamp,
        bytes: Vec<u8>,
    },
    Lost {
        dyno: DynoId,
        sequence: u64,
        bytes: u64,
    },
    Exited {
        dyno: DynoId,
        ended: Ended,
    },
    /// The keeper ends because it was told to; do not start another.
    Goodbye,
}

/// "Took in everything of this dyno up to and with this sequence number."
pub(crate) struct Acknowledgement {
    pub(crate) dyno: DynoId,
    pub(crate) sequence: u64,
}

const ACKNOWLEDGEMENT_BYTES: usize = 24;

impl Acknowledgement {
    pub(crate) fn to_frame(&self) -> Vec<u8> {
        let mut frame = frame_of(ACKNOWLEDGEMENT_BYTES);
        frame.extend_from_slice(self.dyno.0.as_bytes());
        frame.extend_from_slice(&self.sequence.to_be_bytes());
        frame
    }

    pub(crate) fn from_body(body: &[u8]) -> io::Result<Self> {
        let mut fields = Fields(body);
        Ok(Self { dyno: fields.dyno()?, sequence: fields.number()? })
    }
}

impl Notice {
    const OUTPUT: u8 = b'o';
    const LOST: u8 = b'l';
    const EXITED: u8 = b'x';
    const GOODBYE: u8 = b'g';

    pub(crate) fn append_to(&self, out: &mut Vec<u8>) -> io::Result<()> {
        let mut body = Vec::new();
        match self {
            Self::Output { dyno, sequence, stream, at, bytes } => {
                append_output(out, *dyno, *sequence, *stream, *at, bytes);
                return Ok(());
            }
            Self::Lost { dyno, sequence, bytes } => {
                body.push(Self::LOST);
                body.extend_from_slice(dyno.0.as_bytes());
                body.extend_from_slice(&sequence.to_be_bytes());
                body.extend_from_slice(&bytes.to_be_bytes());
            }
            Self::Exited { dyno, ended } => {
                body.push(Self::EXITED);
                body.extend_from_slice(dyno.0.as_bytes());
                serde_json::to_writer(&mut body, ended)?;
            }
            Self::Goodbye => body.push(Self::GOODBYE),
        }
        out.extend_from_slice(&(body.len() as u32).to_be_bytes());
        out.extend_from_slice(&body);
        Ok(())
    }

    pub(crate) fn from_body(body: &[u8]) -> io::Result<Self> {
        let (kind, rest) = body.split_first().ok_or_else(malformed)?;
        let mut fields = Fields(rest);
        Ok(match *kind {
            Self::OUTPUT => {
                let (dyno, sequence) = (fields.dyno()?, fields.number()?);
                let at = Timestamp::from_microsecond(fields.number()? as i64).map_err(|_| malformed())?;
                let stream = match fields.byte()? {
                    1 => Stream::Stdout,
                    2 => Stream::Stderr,
                    _ => return Err(malformed()),
                };
                Self::Output { dyno, sequence, stream, at, bytes: fields.0.to_vec() }
            }
            Self::LOST => Self::Lost { dyno: fields.dyno()?, sequence: fields.number()?, bytes: fields.number()? },
            Self::EXITED => Self::Exited { dyno: fields.dyno()?, ended: serde_json::from_slice(fields.0)? },
            Self::GOODBYE => Self::Goodbye,
            _ => return Err(malformed()),
        })
    }
}

/// [`Notice::Output`] without a copy of the bytes in between.
pub(crate) fn append_output(
    out: &mut Vec<u8>,
    dyno: DynoId,
    sequence: u64,
    stream: Stream,
    at: Timestamp,
    bytes: &[u8],
) {
    out.extend_from_slice(&(34 + bytes.len() as u32).to_be_bytes());
    out.push(Notice::OUTPUT);
    out.extend_from_slice(dyno.0.as_bytes());
    out.extend_from_slice(&sequence.to_be_bytes());
    out.extend_from_slice(&at.as_microsecond().to_be_bytes());
    out.push(match stream {
        Stream::Stdout => 1,
        Stream::Stderr => 2,
    });
    out.extend_from_slice(bytes);
}

/// A whole frame with a JSON body.
pub(crate) fn json_frame(body: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut frame = frame_of(0);
    serde_json::to_writer(&mut frame, body)?;
    let length = frame.len() - 4;
    if length > MOST_FRAME_BYTES {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the dyno's environment and files are too large"));
    }
    frame[..4].copy_from_slice(&(length as u32).to_be_bytes());
    Ok(frame)
}

/// Takes the first whole frame's body off the buffer.
pub(crate) fn take_frame(buffer: &mut Vec<u8>) -> io::Result<Option<Vec<u8>>> {
    let Some(head) = buffer.first_chunk::<4>() else { return Ok(None) };
    let length = u32::from_be_bytes(*head) as usize;
    if length > MOST_FRAME_BYTES {
        return Err(malformed());
    }
    if buffer.len() < 4 + length {
        return Ok(None);
    }
    let rest = buffer.split_off(4 + length);
    let mut frame = std::mem::replace(buffer, rest);
    frame.drain(..4);
    Ok(Some(frame))
}

fn frame_of(length: usize) -> Vec<u8> {
    let mut frame = Vec::with_capacity(4 + length);
    frame.extend_from_slice(&(length as u32).to_be_bytes());
    frame
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a frame that makes no sense")
}

/// What is left of a body to be read.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk::<N>().ok_or_else(malformed)?;
        self.0 = rest;
        Ok(*field)
    }

    fn byte(&mut self) -> io::Result<u8> {
        Ok(self.take::<1>()?[0])
    }

    fn number(&mut self) -> io::Result<u64> {
        Ok(u64::from_be_bytes(self.take()?))
    }

    fn dyno(&mut self) -> io::Result<DynoId> {
        Ok(DynoId(uuid::Uuid::from_bytes(self.take()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dyno() -> DynoId {
        DynoId(uuid::Uuid::from_u128(7))
    }

    #[test]
    fn notices_arrive_as_they_were_sent() {
        let at = Timestamp::from_microsecond(1_700_000_000_123_456).unwrap();
        let ended = Ended { at, status: Status::Signal(9), out_of_memory: true };
        let notices = [
            Notice::Output { dyno: dyno(), sequence: 3, stream: Stream::Stderr, at, bytes: b"a\nb".to_vec() },
            Notice::Lost { dyno: dyno(), sequence: 4, bytes: 99 },
            Notice::Exited { dyno: dyno(), ended },
            Notice::Goodbye,
        ];
        let mut buffer = Vec::new();
        for notice in &notices {
            notice.append_to(&mut buffer).unwrap();
        }
        for notice in &notices {
            let body = take_frame(&mut buffer).unwrap().unwrap();
            assert_eq!(&Notice::from_body(&body).unwrap(), notice);
        }
        assert!(buffer.is_empty());
    }

    #[test]
    fn half_a_frame_is_awaited_and_a_giant_one_refused() {
        let mut half = vec![0, 0, 0, 9, b'x'];
        assert!(take_frame(&mut half).unwrap().is_none());
        assert!(take_frame(&mut vec![255, 0, 0, 0]).is_err());
        assert!(Notice::from_body(b"").is_err());
        assert!(Acknowledgement::from_body(b"short").is_err());
    }
}
