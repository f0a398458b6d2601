//! The formation: how many dynos of which size each process type has.

use std::str::FromStr;

use jiff::Timestamp;

use crate::{AppId, DynoSize, FormationId, ProcessType};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Formation {
    pub id: FormationId,
    pub app: AppId,
    pub process_type: ProcessType,
    pub command: String,
    pub quantity: u32,
    pub size: DynoSize,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// A wish for a quantity: `3`, `+2` or `-1`, as `ps:scale` sends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantity {
    Exactly(u32),
    More(u32),
    Fewer(u32),
}

/// Dynos of one process type at most (Heroku: 100 per app).
pub const MAX_QUANTITY: u32 = 100;

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a quantity: use a number from 0 to {MAX_QUANTITY}, or a change such as +1 or -1")]
pub struct InvalidQuantity(pub String);

impl Quantity {
    /// The quantity after this wish; fewer than none is none.
    pub fn applied_to(self, current: u32) -> Result<u32, InvalidQuantity> {
        let wanted = match self {
            Self::Exactly(count) => count,
            Self::More(count) => current.saturating_add(count),
            Self::Fewer(count) => current.saturating_sub(count),
        };
        if wanted > MAX_QUANTITY { Err(InvalidQuantity(wanted.to_string())) } else { Ok(wanted) }
    }
}

impl FromStr for Quantity {
    type Err = InvalidQuantity;

    fn from_str(text: &str) -> Result<Self, InvalidQuantity> {
        let count = |digits: &str| match digits.bytes().all(|byte| byte.is_ascii_digit()) {
            true => digits.parse().map_err(|_| InvalidQuantity(text.to_owned())),
            false => Err(InvalidQuantity(text.to_owned())),
        };
        match text.as_bytes().first() {
            Some(b'+') => count(&text[1..]).map(Self::More),
            Some(b'-') => count(&text[1..]).map(Self::Fewer),
            _ => count(text).map(Self::Exactly),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_numbers_or_changes() {
        assert_eq!("2".parse::<Quantity>().unwrap().applied_to(7), Ok(2));
        assert_eq!("+1".parse::<Quantity>().unwrap().applied_to(2), Ok(3));
        assert_eq!("-3".parse::<Quantity>().unwrap().applied_to(2), Ok(0));
        for bad in ["", "+", "two", "1.5", "--1", "99999999999"] {
            assert!(bad.parse::<Quantity>().is_err(), "{bad}");
        }
        assert!("101".parse::<Quantity>().unwrap().applied_to(0).is_err());
    }
}
