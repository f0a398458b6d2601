//! What the keeper tells of dynos unasked, and what the server acknowledges.

use std::io;

use domain::DynoId;
use jiff::Timestamp;
use runtime::Stream;

use super::Ended;
use super::frame::{frame_of, malformed};

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
    use crate::wire::{Status, take_frame};

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
    fn half_a_body_makes_no_sense() {
        assert!(Notice::from_body(b"").is_err());
        assert!(Acknowledgement::from_body(b"short").is_err());
    }
}
