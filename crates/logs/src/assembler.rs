//! Chunks of a dyno's output become lines.

use bytes::Bytes;
use memchr::{memchr, memchr_iter};

use crate::line::{MAX_TEXT_BYTES, clean, cut_at};

/// Stands at the end of a piece whose line goes on in the next one.
pub const CONTINUED: &str = "…";

/// Puts one stream (stdout or stderr of one dyno) together again: splits at
/// `\n`, takes off a `\r` before it, and cleans what is left. A line over
/// [`MAX_TEXT_BYTES`] becomes several, all but the last ending in
/// [`CONTINUED`]. Holds back at most one unfinished line.
#[derive(Debug, Default)]
pub struct Assembler {
    unfinished: Vec<u8>,
}

impl Assembler {
    pub fn new() -> Self {
        Self::default()
    }

    /// The lines that `chunk` completes, in order.
    pub fn push(&mut self, chunk: &[u8]) -> Vec<Bytes> {
        let mut lines = Vec::with_capacity(memchr_iter(b'\n', chunk).count());
        let mut rest = chunk;
        while let Some(end) = memchr(b'\n', rest) {
            if self.unfinished.is_empty() {
                finish(&rest[..end], &mut lines);
            } else {
                self.take(&rest[..end], &mut lines);
                finish(&std::mem::take(&mut self.unfinished), &mut lines);
            }
            rest = &rest[end + 1..];
        }
        self.take(rest, &mut lines);
        lines
    }

    /// What was written last without a line end; called at the stream's end.
    pub fn finish(&mut self) -> Vec<Bytes> {
        let mut lines = Vec::new();
        if !self.unfinished.is_empty() {
            finish(&std::mem::take(&mut self.unfinished), &mut lines);
        }
        lines
    }

    /// Keeps a part of a line; gives out pieces of it if it is too long to keep.
    fn take(&mut self, part: &[u8], lines: &mut Vec<Bytes>) {
        self.unfinished.extend_from_slice(part);
        // One byte more may be a `\r` that is taken off: how the output is
        // chunked must not change where a line is split.
        let emitted = emit_pieces(&self.unfinished, MAX_TEXT_BYTES + 1, lines);
        self.unfinished.drain(..emitted);
    }
}

fn finish(line: &[u8], lines: &mut Vec<Bytes>) {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let emitted = emit_pieces(line, MAX_TEXT_BYTES, lines);
    let last = clean(&line[emitted..]);
    // Cleaning may lengthen text (an invalid byte becomes three).
    let emitted = emit_pieces(&last, MAX_TEXT_BYTES, lines);
    lines.push(Bytes::copy_from_slice(&last[emitted..]));
}

/// Emits cleaned pieces while more than `limit` bytes (at least
/// [`MAX_TEXT_BYTES`]) are left; returns how much of `text` went out.
fn emit_pieces(text: &[u8], limit: usize, lines: &mut Vec<Bytes>) -> usize {
    let room = MAX_TEXT_BYTES - CONTINUED.len();
    let mut start = 0;
    while text.len() - start > limit {
        let cut = cut_at(&text[start..], room);
        let cleaned = clean(&text[start..start + cut]);
        let mut piece = cleaned.as_ref();
        while !piece.is_empty() {
            let end = cut_at(piece, room);
            lines.push([&piece[..end], CONTINUED.as_bytes()].concat().into());
            piece = &piece[end..];
        }
        start += cut;
    }
    start
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(chunks: &[&[u8]]) -> Vec<String> {
        let mut assembler = Assembler::new();
        let mut lines: Vec<Bytes> = chunks.iter().flat_map(|chunk| assembler.push(chunk)).collect();
        lines.extend(assembler.finish());
        lines.iter().map(|line| String::from_utf8(line.to_vec()).unwrap()).collect()
    }

    #[test]
    fn lines_are_put_together_from_chunks() {
        assert_eq!(lines(&[b"one\ntw", b"o\r\n", b"\n", b"three"]), ["one", "two", "", "three"]);
        assert_eq!(lines(&[b"a\r", b"\nb\rc\n"]), ["a", "b␍c"]);
        assert_eq!(lines(&[b""]), [""; 0]);
        assert_eq!(lines(&[b"\xc3", b"\xa9\n"]), ["é"]);
    }

    #[test]
    fn a_line_too_long_goes_on_in_the_next() {
        let long = "x".repeat(25_000) + "\nnext\n";
        let lines = lines(&[long.as_bytes()]);
        assert_eq!(lines.len(), 4);
        assert!(lines[0].ends_with("x…") && lines[1].ends_with("x…") && lines[2].ends_with('x'));
        let text: usize = lines[..3].iter().map(|line| line.trim_end_matches('…').len()).sum();
        assert_eq!((text, lines[3].as_str()), (25_000, "next"));
    }

    #[test]
    fn a_line_of_the_longest_length_stays_whole() {
        assert_eq!(lines(&[&[b'x'; MAX_TEXT_BYTES], b"\r\n"]).len(), 1);
        assert_eq!(lines(&[&[0xff; MAX_TEXT_BYTES], b"\n"]).len(), 4);
    }

    fn any_chunks() -> impl Strategy<Value = Vec<Vec<u8>>> {
        let byte = prop_oneof![4 => any::<u8>(), 4 => Just(b'a'), 1 => Just(b'\n'), 1 => Just(b'\r')];
        let long = (any::<u8>(), 9_990..10_010usize).prop_map(|(byte, count)| vec![byte; count]);
        prop::collection::vec(prop_oneof![4 => prop::collection::vec(byte, 0..60), 1 => long], 0..12)
    }

    proptest! {
        #[test]
        fn how_output_is_chunked_changes_nothing(chunks in any_chunks()) {
            let whole = chunks.concat();
            let parts: Vec<&[u8]> = chunks.iter().map(Vec::as_slice).collect();
            prop_assert_eq!(lines(&parts), lines(&[&whole]));
        }

        #[test]
        fn every_newline_ends_one_line_and_none_is_left_inside(chunks in any_chunks()) {
            let whole = chunks.concat();
            let ends = memchr_iter(b'\n', &whole).count();
            let unfinished = usize::from(whole.last().is_some_and(|last| *last != b'\n'));
            let lines = lines(&[&whole]);
            let continued = lines.iter().filter(|line| line.ends_with(CONTINUED)).count();
            prop_assert_eq!(lines.len() - continued, ends + unfinished);
            prop_assert!(lines.iter().all(|line| !line.contains(['\n', '\r', '\0'])));
        }

        #[test]
        fn no_line_is_longer_than_the_limit(seed in any::<u8>(), length in 9_000..45_000usize, chunk in 1..20_000usize) {
            let text: Vec<u8> = (0..length).map(|index| (index as u8).wrapping_mul(seed) | 0x20).collect();
            let chunks: Vec<&[u8]> = text.chunks(chunk).collect();
            prop_assert!(lines(&chunks).iter().all(|line| line.len() <= MAX_TEXT_BYTES));
        }
    }
}
