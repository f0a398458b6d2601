//! Which stacks there are, and by which names people call them.

use std::fmt;
use std::str::FromStr;

/// A stack that this platform can make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stack {
    /// Debian 13, bootstrapped from its packages: the default.
    Debian13,
    /// The machine's own `/usr`, read-only: needs no download, and shows apps
    /// whatever the machine has installed.
    Host,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a stack: use debian-13, host, or one of Heroku's names heroku-22, heroku-24, heroku-26")]
pub struct UnknownStack(String);

impl Stack {
    pub const ALL: [Self; 2] = [Self::Debian13, Self::Host];
    pub const DEFAULT: Self = Self::Debian13;

    /// Heroku's stack names, which stand for the default stack here, so that
    /// an `app.json` written for Heroku works.
    pub const ALIASES: [&'static str; 3] = ["heroku-22", "heroku-24", "heroku-26"];

    /// The name in the API and in `heroku stack`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Debian13 => "debian-13",
            Self::Host => "host",
        }
    }

    /// As in `-----> Building on the Debian-13 stack`.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Debian13 => "Debian-13",
            Self::Host => "Host",
        }
    }
}

impl fmt::Display for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Stack {
    type Err = UnknownStack;

    fn from_str(text: &str) -> Result<Self, UnknownStack> {
        if Self::ALIASES.contains(&text) {
            return Ok(Self::DEFAULT);
        }
        Self::ALL
            .into_iter()
            .find(|stack| stack.name() == text)
            .ok_or_else(|| UnknownStack(text.chars().take(60).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stack_reads_its_own_name() {
        for stack in Stack::ALL {
            assert_eq!(stack.name().parse(), Ok(stack));
        }
    }

    #[test]
    fn herokus_names_mean_the_default_and_others_are_refused() {
        for alias in Stack::ALIASES {
            assert_eq!(alias.parse(), Ok(Stack::DEFAULT));
        }
        for unknown in ["", "cedar-14", "heroku-18", "container", "../etc"] {
            assert!(unknown.parse::<Stack>().is_err(), "{unknown}");
        }
    }
}
