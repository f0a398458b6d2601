//! Dyno sizes: what a dyno may use.

use std::fmt;
use std::str::FromStr;

/// A dyno size under Heroku's names. Memory as Heroku gives it; the CPU weight
/// is in units of a Standard-1X dyno's share, dedicated sizes also have a cap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DynoSize {
    Eco,
    Basic,
    Standard1X,
    Standard2X,
    PerformanceM,
    PerformanceL,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a dyno size: use one of Eco, Basic, Standard-1X, Standard-2X, Performance-M, Performance-L")]
pub struct InvalidDynoSize(String);

impl DynoSize {
    pub const ALL: [Self; 6] =
        [Self::Eco, Self::Basic, Self::Standard1X, Self::Standard2X, Self::PerformanceM, Self::PerformanceL];

    /// The size of a new process type: allows several dynos per type.
    pub const DEFAULT: Self = Self::Standard1X;

    pub const fn name(self) -> &'static str {
        match self {
            Self::Eco => "Eco",
            Self::Basic => "Basic",
            Self::Standard1X => "Standard-1X",
            Self::Standard2X => "Standard-2X",
            Self::PerformanceM => "Performance-M",
            Self::PerformanceL => "Performance-L",
        }
    }

    pub const fn memory_bytes(self) -> u64 {
        const MIB: u64 = 1024 * 1024;
        match self {
            Self::Eco | Self::Basic | Self::Standard1X => 512 * MIB,
            Self::Standard2X => 1024 * MIB,
            Self::PerformanceM => 2560 * MIB,
            Self::PerformanceL => 14336 * MIB,
        }
    }

    /// Relative share of the CPU (1 = Standard-1X).
    pub const fn compute(self) -> u32 {
        match self {
            Self::Eco | Self::Basic | Self::Standard1X => 1,
            Self::Standard2X => 4,
            Self::PerformanceM => 12,
            Self::PerformanceL => 50,
        }
    }

    /// Processes and threads at most (Heroku's documented limits).
    pub const fn processes(self) -> u32 {
        match self {
            Self::Eco | Self::Basic | Self::Standard1X => 256,
            Self::Standard2X => 512,
            Self::PerformanceM => 16384,
            Self::PerformanceL => 32768,
        }
    }

    pub const fn is_dedicated(self) -> bool {
        matches!(self, Self::PerformanceM | Self::PerformanceL)
    }
}

impl fmt::Display for DynoSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for DynoSize {
    type Err = InvalidDynoSize;

    /// Case does not matter: the CLI sends `standard-1x`.
    fn from_str(text: &str) -> Result<Self, InvalidDynoSize> {
        Self::ALL
            .into_iter()
            .find(|size| size.name().eq_ignore_ascii_case(text))
            .ok_or_else(|| InvalidDynoSize(text.chars().take(40).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_reads_its_own_name_in_any_case() {
        for size in DynoSize::ALL {
            assert_eq!(size.name().to_uppercase().parse(), Ok(size));
            assert_eq!(size.name().to_lowercase().parse(), Ok(size));
        }
        assert!("huge".parse::<DynoSize>().is_err());
    }
}
