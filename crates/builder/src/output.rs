//! What the user reads: bytes of the build dyno, and lines of our own between.

use bytes::Bytes;
use tokio::sync::mpsc;

/// The way to the reader. A reader who is gone does not end the build; one
/// who is slow slows it down.
pub(crate) struct Output {
    to: mpsc::Sender<Bytes>,
    left_bytes: u64,
    at_line_start: bool,
}

impl Output {
    pub(crate) fn new(to: mpsc::Sender<Bytes>, limit_bytes: u64) -> Self {
        Self { to, left_bytes: limit_bytes, at_line_start: true }
    }

    /// Bytes of the dyno. Beyond the limit they are left out, which is said once.
    pub(crate) async fn pass(&mut self, mut bytes: Bytes) {
        let given = bytes.len() as u64;
        if self.left_bytes == 0 || given == 0 {
            return;
        }
        if given > self.left_bytes {
            // It is less than `given`, which is a length.
            bytes.truncate(usize::try_from(self.left_bytes).unwrap_or(usize::MAX));
            self.left_bytes = 0;
            self.send(bytes).await;
            self.line(" !     The build's output is too long; the rest of it is left out.").await;
            return;
        }
        self.left_bytes -= given;
        self.send(bytes).await;
    }

    /// One line of our own, on a line of its own. Not counted.
    pub(crate) async fn line(&mut self, text: &str) {
        let start = if self.at_line_start { "" } else { "\n" };
        self.send(Bytes::from(format!("{start}{text}\n"))).await;
    }

    /// ` !     ` before each line, as problems are shown.
    pub(crate) async fn problem(&mut self, text: &str) {
        for line in text.lines() {
            self.line(&format!(" !     {line}")).await;
        }
    }

    /// How every failed build ends.
    pub(crate) async fn push_failed(&mut self) {
        self.line("").await;
        self.problem("Push failed").await;
    }

    async fn send(&mut self, bytes: Bytes) {
        if let Some(last) = bytes.last() {
            self.at_line_start = *last == b'\n';
        }
        // A closed channel: nobody reads, and the build goes on.
        let _nobody_reads = self.to.send(bytes).await;
    }
}

/// As in `Done: 63.5M`.
pub(crate) fn size(bytes: u64) -> String {
    const MIB: u64 = 1024 * 1024;
    if bytes < MIB {
        format!("{}K", bytes.div_ceil(1024))
    } else {
        format!("{}.{}M", bytes / MIB, bytes % MIB * 10 / MIB)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn written(limit: u64, parts: &[&'static str], line: &str) -> String {
        let (to, mut from) = mpsc::channel(100);
        let mut output = Output::new(to, limit);
        for part in parts {
            output.pass(Bytes::from_static(part.as_bytes())).await;
        }
        output.line(line).await;
        drop(output);
        let mut all = Vec::new();
        while let Some(bytes) = from.recv().await {
            all.extend_from_slice(&bytes);
        }
        String::from_utf8(all).unwrap()
    }

    #[tokio::test]
    async fn our_lines_start_at_the_start_of_a_line() {
        assert_eq!(written(100, &["a\n"], "ours").await, "a\nours\n");
        assert_eq!(written(100, &["a"], "ours").await, "a\nours\n");
    }

    #[tokio::test]
    async fn output_beyond_the_limit_is_left_out_and_said_once() {
        let text = written(5, &["abc", "defg", "hij"], "ours").await;
        assert_eq!(text, "abcde\n !     The build's output is too long; the rest of it is left out.\nours\n");
    }

    #[tokio::test]
    async fn a_reader_who_left_ends_nothing() {
        let (to, from) = mpsc::channel(1);
        drop(from);
        let mut output = Output::new(to, 100);
        output.pass(Bytes::from_static(b"a")).await;
        output.line("b").await;
    }

    #[test]
    fn sizes_read_as_heroku_s() {
        assert_eq!(size(0), "0K");
        assert_eq!(size(1), "1K");
        assert_eq!(size(66_584_576), "63.5M");
        assert_eq!(size(1024 * 1024 * 1024), "1024.0M");
    }
}
