//! A log line, and how it is shown.
//!
//! Whatever an app writes, one line stays one line: everything that a terminal
//! or an event stream could take for a line's end or for a command is made
//! visible instead ([`clean`]).

use std::borrow::Cow;
use std::fmt::Write as _;

use bytes::Bytes;
use jiff::Timestamp;

/// The longest text of one line, in bytes. Longer ones are split by
/// [`crate::Assembler`] and cut by [`crate::Logs::append`].
pub const MAX_TEXT_BYTES: usize = 10_000;

/// Who speaks: the app (its dynos, and what people do to it) or the platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    App,
    Heroku,
}

impl Source {
    pub const fn name(self) -> &'static str {
        match self {
            Self::App => "app",
            Self::Heroku => "heroku",
        }
    }
}

/// One line of an app's stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub at: Timestamp,
    pub source: Source,
    /// `web.1`, `router`, `api`, … : letters, digits, `.`, `_`, `-`.
    pub process: String,
    /// UTF-8 without line ends, at most [`MAX_TEXT_BYTES`]; `append` sees to it.
    pub text: Bytes,
}

impl Line {
    /// `2026-01-01T00:00:00.000000+00:00 app[web.1]: text`, without a line end.
    pub fn render(&self) -> String {
        let mut shown = String::with_capacity(64 + self.text.len());
        // Writing to a String can't fail.
        let _ = write!(
            shown,
            "{} {}[{}]: {}",
            self.at.strftime("%Y-%m-%dT%H:%M:%S%.6f+00:00"),
            self.source.name(),
            self.process,
            String::from_utf8_lossy(&self.text)
        );
        shown
    }
}

/// The text in a form that can't be mistaken for anything but one line of
/// text: invalid UTF-8 becomes U+FFFD, control characters become their
/// pictures (`␀`, `␍`, …). Tabs stay, and so do colours (`ESC [ … m`).
pub fn clean(text: &[u8]) -> Cow<'_, [u8]> {
    if text.iter().all(|byte| matches!(byte, b'\t' | b' '..=b'~')) {
        return Cow::Borrowed(text);
    }
    let text = String::from_utf8_lossy(text);
    let mut cleaned = String::with_capacity(text.len() + 16);
    let mut rest = text.as_ref();
    while let Some(char) = rest.chars().next() {
        let taken = match char {
            '\u{1b}' => colour_bytes(rest).unwrap_or(0),
            '\t' => 1,
            _ if char.is_control() => 0,
            _ => char.len_utf8(),
        };
        cleaned.push_str(&rest[..taken]);
        if taken == 0 {
            cleaned.push(picture(char));
        }
        rest = &rest[taken.max(char.len_utf8())..];
    }
    Cow::Owned(cleaned.into_bytes())
}

/// How many bytes at the start of `text` set a colour: `ESC [ digits and ; m`.
fn colour_bytes(text: &str) -> Option<usize> {
    let parameters = text.strip_prefix("\u{1b}[")?;
    let end = parameters.bytes().take(32).position(|byte| !matches!(byte, b'0'..=b'9' | b';'))?;
    (parameters.as_bytes()[end] == b'm').then_some(2 + end + 1)
}

fn picture(control: char) -> char {
    match u32::from(control) {
        code @ 0..=0x1f => char::from_u32(0x2400 + code).unwrap_or(char::REPLACEMENT_CHARACTER),
        0x7f => '\u{2421}',
        _ => char::REPLACEMENT_CHARACTER,
    }
}

/// The last place at or before `limit` where UTF-8 text may be cut.
pub(crate) fn cut_at(text: &[u8], limit: usize) -> usize {
    if text.len() <= limit {
        return text.len();
    }
    let is_start = |byte: &u8| (byte & 0xc0) != 0x80;
    let back = text[..=limit].iter().rev().take(4).position(is_start);
    back.map_or(limit, |back| limit - back)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cleaned(text: &[u8]) -> String {
        String::from_utf8(clean(text).into_owned()).unwrap()
    }

    #[test]
    fn a_line_is_shown_as_heroku_shows_it() {
        let line = Line {
            at: "2026-01-01T00:00:00.0000421Z".parse().unwrap(),
            source: Source::App,
            process: "web.1".to_owned(),
            text: Bytes::from_static(b"hello"),
        };
        assert_eq!(line.render(), "2026-01-01T00:00:00.000042+00:00 app[web.1]: hello");
        let whole = Line { at: "2026-01-01T00:00:00Z".parse().unwrap(), source: Source::Heroku, ..line };
        assert_eq!(whole.render(), "2026-01-01T00:00:00.000000+00:00 heroku[web.1]: hello");
    }

    #[test]
    fn control_characters_become_visible_and_colours_stay() {
        assert_eq!(cleaned(b"a\tb"), "a\tb");
        assert_eq!(cleaned("grün ✓".as_bytes()), "grün ✓");
        assert_eq!(cleaned(b"a\0b\rc\nd\x7f"), "a␀b␍c␊d␡");
        assert_eq!(cleaned(b"\x1b[1;31mred\x1b[0m"), "\x1b[1;31mred\x1b[0m");
        assert_eq!(cleaned(b"\x1b[2Jgone \x1b]0;title\x07 \x1b["), "␛[2Jgone ␛]0;title␇ ␛[");
        assert_eq!(cleaned(b"\xff\xfe ok"), "\u{fffd}\u{fffd} ok");
        assert_eq!(cleaned("next\u{85}line \u{9b}2J".as_bytes()), "next\u{fffd}line \u{fffd}2J");
    }

    #[test]
    fn text_is_cut_between_characters() {
        assert_eq!(cut_at(b"abc", 3), 3);
        assert_eq!(cut_at(b"abcd", 3), 3);
        assert_eq!(cut_at("aéé".as_bytes(), 2), 1);
        assert_eq!(cut_at("aéé".as_bytes(), 3), 3);
        assert_eq!(cut_at(&[0x80; 9], 5), 5);
    }

    proptest! {
        #[test]
        fn cleaned_text_holds_no_control_but_tabs_and_colours(text in prop::collection::vec(any::<u8>(), 0..200)) {
            let cleaned = cleaned(&text);
            let colourless = cleaned.split('\u{1b}').enumerate().all(|(index, part)| {
                index == 0 || part.starts_with('[') && part.contains('m')
            });
            prop_assert!(colourless);
            let is_bad = |char: char| char.is_control() && char != '\t' && char != '\u{1b}';
            prop_assert!(!cleaned.chars().any(is_bad));
            prop_assert_eq!(clean(cleaned.as_bytes()).to_vec(), cleaned.as_bytes());
        }
    }
}
