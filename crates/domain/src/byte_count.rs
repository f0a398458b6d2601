//! Amounts of bytes as people read them.

use std::fmt;

/// So many bytes, shown with three digits at most: `0 B`, `12 KiB`, `1.5 GiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ByteCount(pub u64);

const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];

impl fmt::Display for ByteCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 1024 {
            return f.pad(&format!("{} B", self.0));
        }
        let mut number = self.0 as f64 / 1024.0;
        let (mut unit, mut larger) = (UNITS[0], UNITS[1..].iter());
        while number >= 999.5
            && let Some(next) = larger.next()
        {
            number /= 1024.0;
            unit = next;
        }
        f.pad(&if number < 9.95 { format!("{number:.1} {unit}") } else { format!("{number:.0} {unit}") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_shown_short() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (12 << 20, "12 MiB"),
            (1023 << 20, "1.0 GiB"),
            (u64::MAX, "16384 PiB"),
        ] {
            assert_eq!(ByteCount(bytes).to_string(), text);
        }
        assert_eq!(format!("{:>8}|", ByteCount(5)), "     5 B|");
    }
}
