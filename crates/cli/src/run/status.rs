//! The exit status in a run's output: a mark and the status come last, which is
//! for us and not for the user.

/// What stands before the status, as the official CLI has it.
pub(super) const MARK: &str = "\u{FFFF} heroku-command-exit-status: ";

/// Takes output in pieces, and keeps the mark and what follows it to itself.
#[derive(Debug, Default)]
pub(super) struct StatusFilter {
    /// What may be the mark's beginning, or the mark and the status so far.
    held: Vec<u8>,
    found: bool,
}

impl StatusFilter {
    /// What the user may see of it.
    pub(super) fn pass(&mut self, piece: &[u8]) -> Vec<u8> {
        self.held.extend_from_slice(piece);
        if self.found {
            return Vec::new();
        }
        let mark = MARK.as_bytes();
        if let Some(at) = self.held.windows(mark.len()).position(|window| window == mark) {
            self.found = true;
            let shown = self.held[..at].to_vec();
            self.held.drain(..at + mark.len());
            return shown;
        }
        let longest = mark.len().min(self.held.len());
        let begun = (1..=longest).rev().find(|length| self.held.ends_with(&mark[..*length])).unwrap_or(0);
        let held = self.held.split_off(self.held.len() - begun);
        std::mem::replace(&mut self.held, held)
    }

    /// At the end of the output: what was held back for nothing, and the status.
    pub(super) fn end(self) -> (Vec<u8>, Option<u8>) {
        if !self.found {
            return (self.held, None);
        }
        let digits: Vec<u8> = self.held.into_iter().take_while(u8::is_ascii_digit).collect();
        (Vec::new(), String::from_utf8(digits).ok().and_then(|digits| digits.parse().ok()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Output in pieces of `size` bytes: what is shown, and the status.
    fn passed(output: &str, size: usize) -> (String, Option<u8>) {
        let mut filter = StatusFilter::default();
        let mut shown = Vec::new();
        for piece in output.as_bytes().chunks(size) {
            shown.extend(filter.pass(piece));
        }
        let (rest, status) = filter.end();
        shown.extend(rest);
        (String::from_utf8(shown).unwrap(), status)
    }

    #[test]
    fn the_mark_is_found_wherever_the_pieces_end() {
        let output = format!("hello\n{MARK}7\r\n");
        for size in 1..output.len() {
            assert_eq!(passed(&output, size), ("hello\n".to_owned(), Some(7)), "{size}");
        }
    }

    #[test]
    fn what_only_begins_like_the_mark_is_shown() {
        let output = "a\u{FFFF} heroku \u{FFFF}";
        for size in 1..output.len() {
            assert_eq!(passed(output, size), (output.to_owned(), None), "{size}");
        }
        assert_eq!(passed(&format!("{MARK}x"), 5), (String::new(), None));
    }

    #[test]
    fn nothing_is_held_back_longer_than_need_be() {
        let mut filter = StatusFilter::default();
        assert_eq!(filter.pass(b"$ "), b"$ ");
        assert_eq!(filter.pass("x\u{FFFF}".as_bytes()), b"x");
        assert_eq!(filter.pass(b"y"), "\u{FFFF}y".as_bytes());
    }
}
