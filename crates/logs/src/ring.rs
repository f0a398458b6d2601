//! An app's last lines in memory.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::line::Line;
use crate::record::{Records, encode};

/// At least this many lines are kept, as on Heroku, while they fit
/// [`KEPT_BYTES`]; what falls out earlier is still on disk.
pub(crate) const KEPT_LINES: u64 = 1_500;
const KEPT_BYTES: usize = 4 << 20;
/// Below this, readers have time however many lines there are.
const EASY_BYTES: usize = 512 << 10;
const BLOCK_BYTES: usize = 16 << 10;
/// What one look at the ring gives at most, so that readers work in steps.
const SNAPSHOT_BYTES: usize = 256 << 10;

/// Records of neighbouring lines, encoded.
#[derive(Debug, Default)]
pub(crate) struct Block {
    pub(crate) first: u64,
    pub(crate) count: u64,
    pub(crate) bytes: Vec<u8>,
}

impl Block {
    pub(crate) fn end(&self) -> u64 {
        self.first + self.count
    }

    /// The encoded records from `id` on.
    pub(crate) fn bytes_from(&self, id: u64) -> &[u8] {
        let mut records = Records::trusted(&self.bytes);
        let skipped = id.saturating_sub(self.first) as usize;
        if skipped > 0 {
            records.by_ref().take(skipped).for_each(drop);
        }
        &self.bytes[records.offset()..]
    }
}

/// Lines numbered without gaps from `first` to before `next`.
#[derive(Debug)]
pub(crate) struct Ring {
    sealed: VecDeque<Arc<Block>>,
    open: Block,
    sealed_bytes: usize,
    first: u64,
    /// What comes before this id is on disk; the rest is not given up early.
    written: u64,
}

/// What a reader at some cursor finds.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) blocks: Vec<Arc<Block>>,
    /// The id of the first line in `blocks`, or of the next to come.
    pub(crate) first: u64,
    /// Where the reader goes on.
    pub(crate) next: u64,
    /// How many lines between the cursor and `first` are gone.
    pub(crate) lost: u64,
}

impl Ring {
    pub(crate) fn new(first: u64) -> Self {
        Self {
            sealed: VecDeque::new(),
            open: Block { first, ..Block::default() },
            sealed_bytes: 0,
            first,
            written: first,
        }
    }

    pub(crate) fn append(&mut self, line: &Line) {
        encode(self.open.end(), line, &mut self.open.bytes);
        self.open.count += 1;
        if self.open.bytes.len() >= BLOCK_BYTES {
            let next = Block { first: self.open.end(), ..Block::default() };
            let full = std::mem::replace(&mut self.open, next);
            self.sealed_bytes += full.bytes.len();
            self.sealed.push_back(Arc::new(full));
            self.evict();
        }
    }

    fn evict(&mut self) {
        while let Some(oldest) = self.sealed.front() {
            let enough = self.open.end() - oldest.end() >= KEPT_LINES;
            let superfluous = enough && self.sealed_bytes > EASY_BYTES && oldest.end() <= self.written;
            if !superfluous && self.sealed_bytes <= KEPT_BYTES {
                return;
            }
            self.first = oldest.end();
            self.sealed_bytes -= oldest.bytes.len();
            self.sealed.pop_front();
        }
    }

    /// Everything before `id` is on disk.
    pub(crate) fn set_written(&mut self, id: u64) {
        self.written = id;
        self.evict();
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::new(self.open.end());
    }

    pub(crate) fn next(&self) -> u64 {
        self.open.end()
    }

    /// Everything that is kept.
    pub(crate) fn all(&self) -> Snapshot {
        self.snapshot(self.first, usize::MAX)
    }

    /// The lines from `cursor` on, a bounded amount of them.
    pub(crate) fn since(&self, cursor: u64) -> Snapshot {
        self.snapshot(cursor, SNAPSHOT_BYTES)
    }

    fn snapshot(&self, cursor: u64, limit: usize) -> Snapshot {
        let first = cursor.max(self.first).min(self.next());
        let mut blocks = Vec::new();
        let mut bytes = 0;
        let skipped = self.sealed.partition_point(|block| block.end() <= first);
        for block in self.sealed.range(skipped..) {
            if bytes >= limit {
                break;
            }
            bytes += block.bytes.len();
            blocks.push(Arc::clone(block));
        }
        if bytes < limit && self.open.end() > first {
            let tail_first = first.max(self.open.first);
            let tail = self.open.bytes_from(tail_first).to_vec();
            blocks.push(Arc::new(Block { first: tail_first, count: self.open.end() - tail_first, bytes: tail }));
        }
        let next = blocks.last().map_or(first, |block| block.end());
        Snapshot { blocks, first, next, lost: first.saturating_sub(cursor) }
    }
}

impl Snapshot {
    /// The encoded records, block by block, from `first` on.
    pub(crate) fn bytes(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.blocks.iter().map(|block| block.bytes_from(self.first))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;
    use crate::line::Source;

    fn line(text: Vec<u8>) -> Line {
        Line { at: Timestamp::UNIX_EPOCH, source: Source::App, process: "web.1".to_owned(), text: Bytes::from(text) }
    }

    fn ids(snapshot: &Snapshot) -> Vec<u64> {
        snapshot.bytes().flat_map(Records::trusted).map(|record| record.id).collect()
    }

    #[test]
    fn at_least_the_promised_lines_are_kept_and_memory_is_bounded() {
        let mut ring = Ring::new(100);
        for _ in 0..10_000 {
            ring.append(&line(vec![b'x'; 1000]));
            ring.set_written(ring.next());
        }
        let kept = ids(&ring.all());
        assert!(kept.len() as u64 >= KEPT_LINES && kept.len() < 1_550, "{}", kept.len());
        assert_eq!(*kept.last().unwrap(), 10_099);
        for _ in 0..2_000 {
            ring.append(&line(vec![b'x'; 10_000]));
        }
        assert!(ring.sealed_bytes <= KEPT_BYTES);
    }

    #[test]
    fn what_is_not_on_disk_is_kept_as_long_as_memory_allows() {
        let mut ring = Ring::new(0);
        for _ in 0..10_000 {
            ring.append(&line(vec![b'x'; 200]));
        }
        assert_eq!(ids(&ring.all()).len(), 10_000);
        ring.set_written(10_000);
        assert!(ids(&ring.all()).len() < 3_000);
    }

    #[test]
    fn a_reader_that_was_overtaken_learns_how_much_it_lost() {
        let mut ring = Ring::new(0);
        for _ in 0..100_000 {
            ring.append(&line(vec![b'x'; 120]));
        }
        let snapshot = ring.since(10);
        assert_eq!(snapshot.lost, snapshot.first - 10);
        assert_eq!(ids(&snapshot)[0], snapshot.first);
    }

    proptest! {
        #[test]
        fn a_reader_in_steps_sees_every_line_once(lengths in prop::collection::vec(0..9_000usize, 0..120), steps in prop::collection::vec(1..20usize, 1..40)) {
            let mut ring = Ring::new(7);
            let (mut cursor, mut seen, mut lost) = (7, Vec::new(), 0);
            let mut lengths = lengths.into_iter();
            let total = lengths.len() as u64;
            for step in steps.into_iter().chain([usize::MAX]) {
                lengths.by_ref().take(step).for_each(|length| ring.append(&line(vec![b'x'; length])));
                loop {
                    let snapshot = ring.since(cursor);
                    seen.extend(ids(&snapshot));
                    lost += snapshot.lost;
                    if snapshot.next == cursor { break }
                    cursor = snapshot.next;
                }
            }
            prop_assert_eq!(cursor, 7 + total);
            prop_assert_eq!(lost, 0);
            prop_assert_eq!(seen, (7..7 + total).collect::<Vec<_>>());
        }
    }
}
