//! How a line lies in memory and on disk: the same bytes in both.
//!
//! ```text
//! u32 length of what follows the checksum
//! u32 CRC-32 of it
//! u64 id | i64 microseconds since 1970 | u8 source | u8 length of process | process | text
//! ```
//! All little-endian. A reader stops at the first record that is not whole:
//! that is where a write was torn off.

use bytes::Bytes;
use jiff::Timestamp;

use crate::line::{Line, Source};

const HEAD_BYTES: usize = 8;
const FIXED_BYTES: usize = 18;

/// Appends a record to `out`. The process must be shorter than 256 bytes.
pub(crate) fn encode(id: u64, line: &Line, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&[0; HEAD_BYTES]);
    out.extend_from_slice(&id.to_le_bytes());
    out.extend_from_slice(&line.at.as_microsecond().to_le_bytes());
    out.push(match line.source {
        Source::App => 0,
        Source::Heroku => 1,
    });
    out.push(line.process.len() as u8);
    out.extend_from_slice(line.process.as_bytes());
    out.extend_from_slice(&line.text);
    let body = &out[start + HEAD_BYTES..];
    let (length, checksum) = (body.len() as u32, crc32fast::hash(body));
    out[start..start + 4].copy_from_slice(&length.to_le_bytes());
    out[start + 4..start + HEAD_BYTES].copy_from_slice(&checksum.to_le_bytes());
}

/// A record where it lies, not yet turned into a [`Line`].
#[derive(Clone, Copy)]
pub(crate) struct Record<'a> {
    pub(crate) id: u64,
    pub(crate) source: Source,
    pub(crate) process: &'a str,
    micros: i64,
    text: &'a [u8],
}

impl Record<'_> {
    pub(crate) fn line(&self) -> Line {
        Line {
            at: Timestamp::from_microsecond(self.micros).unwrap_or(Timestamp::UNIX_EPOCH),
            source: self.source,
            process: self.process.to_owned(),
            text: Bytes::copy_from_slice(self.text),
        }
    }
}

/// Walks over the whole records at the start of some bytes.
pub(crate) struct Records<'a> {
    bytes: &'a [u8],
    offset: usize,
    checked: bool,
}

impl<'a> Records<'a> {
    /// Of a file: checksums are looked at.
    pub(crate) fn checked(bytes: &'a [u8]) -> Self {
        Self { bytes, offset: 0, checked: true }
    }

    /// Of our own memory.
    pub(crate) fn trusted(bytes: &'a [u8]) -> Self {
        Self { bytes, offset: 0, checked: false }
    }

    /// How many bytes the records so far took.
    pub(crate) fn offset(&self) -> usize {
        self.offset
    }

    fn decode(&self) -> Option<(Record<'a>, usize)> {
        let rest = self.bytes.get(self.offset..)?;
        let length = u32::from_le_bytes(rest.get(..4)?.try_into().ok()?) as usize;
        let checksum = u32::from_le_bytes(rest.get(4..HEAD_BYTES)?.try_into().ok()?);
        let body = rest.get(HEAD_BYTES..)?.get(..length)?;
        if length < FIXED_BYTES || self.checked && crc32fast::hash(body) != checksum {
            return None;
        }
        let process_end = FIXED_BYTES + body[17] as usize;
        let record = Record {
            id: u64::from_le_bytes(body[..8].try_into().ok()?),
            micros: i64::from_le_bytes(body[8..16].try_into().ok()?),
            source: if body[16] == 0 { Source::App } else { Source::Heroku },
            process: str::from_utf8(body.get(FIXED_BYTES..process_end)?).ok()?,
            text: body.get(process_end..)?,
        };
        Some((record, HEAD_BYTES + length))
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        let (record, bytes) = self.decode()?;
        self.offset += bytes;
        Some(record)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(text: &str) -> Line {
        Line {
            at: Timestamp::from_microsecond(1_234_567).unwrap(),
            source: Source::Heroku,
            process: "router".to_owned(),
            text: Bytes::copy_from_slice(text.as_bytes()),
        }
    }

    proptest! {
        #[test]
        fn records_cut_off_anywhere_give_the_whole_ones_before(texts in prop::collection::vec(".{0,40}", 0..6), cut in any::<prop::sample::Index>()) {
            let mut bytes = Vec::new();
            let ends: Vec<usize> = texts.iter().enumerate().map(|(id, text)| {
                encode(id as u64, &line(text), &mut bytes);
                bytes.len()
            }).collect();
            let cut = cut.index(bytes.len() + 1);
            let whole = ends.iter().filter(|end| **end <= cut).count();
            let mut records = Records::checked(&bytes[..cut]);
            let read: Vec<Line> = records.by_ref().map(|record| record.line()).collect();
            prop_assert_eq!(read, texts[..whole].iter().map(|text| line(text)).collect::<Vec<_>>());
            prop_assert_eq!(records.offset(), whole.checked_sub(1).map_or(0, |last| ends[last]));
        }

        #[test]
        fn garbage_is_no_record(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(Records::checked(&bytes).count(), 0);
            prop_assert_eq!(Records::checked(&[0; 64]).count(), 0);
        }
    }
}
