//! Colours, where someone looks.

use std::io::IsTerminal;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Colour {
    Red,
    Green,
    Yellow,
    Blue,
    Magenta,
    Cyan,
    Bold,
}

/// Whether to write colours to one stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Style {
    colours: bool,
}

impl Style {
    pub(crate) fn of_stdout() -> Self {
        Self::decide(std::io::stdout().is_terminal(), &|name| std::env::var(name).ok())
    }

    pub(crate) fn of_stderr() -> Self {
        Self::decide(std::io::stderr().is_terminal(), &|name| std::env::var(name).ok())
    }

    /// `NO_COLOR` wins over `CLICOLOR_FORCE`, and that over what the stream is.
    fn decide(is_terminal: bool, variable: &dyn Fn(&str) -> Option<String>) -> Self {
        let value = |name: &str| variable(name).filter(|value| !value.is_empty());
        let colours = if value("NO_COLOR").is_some() {
            false
        } else if value("CLICOLOR_FORCE").is_some_and(|value| value != "0") {
            true
        } else {
            is_terminal
                && value("CLICOLOR").is_none_or(|value| value != "0")
                && value("TERM").is_none_or(|value| value != "dumb")
        };
        Self { colours }
    }

    pub(crate) fn paint(self, colour: Colour, text: &str) -> String {
        if !self.colours {
            return text.to_owned();
        }
        let code = match colour {
            Colour::Red => 31,
            Colour::Green => 32,
            Colour::Yellow => 33,
            Colour::Blue => 34,
            Colour::Magenta => 35,
            Colour::Cyan => 36,
            Colour::Bold => 1,
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }

    #[cfg(test)]
    pub(crate) fn with(colours: bool) -> Self {
        Self { colours }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_terminals_unless_the_user_says_otherwise() {
        let decide = |is_terminal, set: &[(&str, &str)]| {
            let value = |name: &str| set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
            Style::decide(is_terminal, &value).colours
        };
        assert!(decide(true, &[]) && !decide(false, &[]));
        assert!(!decide(true, &[("NO_COLOR", "1")]) && decide(true, &[("NO_COLOR", "")]));
        assert!(decide(false, &[("CLICOLOR_FORCE", "1")]) && !decide(false, &[("CLICOLOR_FORCE", "0")]));
        assert!(!decide(true, &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]));
        assert!(!decide(true, &[("CLICOLOR", "0")]) && !decide(true, &[("TERM", "dumb")]));
    }

    #[test]
    fn without_colours_text_stays_as_it_is() {
        assert_eq!(Style::with(false).paint(Colour::Red, "x"), "x");
        assert_eq!(Style::with(true).paint(Colour::Red, "x"), "\u{1b}[31mx\u{1b}[0m");
    }
}
