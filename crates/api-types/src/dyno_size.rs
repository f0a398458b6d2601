//! Dyno sizes.

use domain::DynoSize;
use domain::size::InvalidDynoSize;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::NamedRef;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DynoSizeInfo {
    pub architecture: String,
    /// Share of the CPU relative to Standard-1X.
    pub compute: u32,
    pub cost: Option<Cost>,
    pub dedicated: bool,
    pub generation: NamedRef,
    pub id: Uuid,
    /// GiB.
    pub memory: f64,
    pub name: String,
    pub precise_dyno_units: f64,
    pub private_space_only: bool,
}

/// Nothing costs anything here, and clients expect the field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    pub cents: u32,
    pub unit: String,
}

impl From<DynoSize> for DynoSizeInfo {
    fn from(size: DynoSize) -> Self {
        const GIB: f64 = 1024.0 * 1024.0 * 1024.0;
        Self {
            architecture: std::env::consts::ARCH.replace("x86_64", "amd64").replace("aarch64", "arm64"),
            compute: size.compute(),
            cost: Some(Cost { cents: 0, unit: "month".to_owned() }),
            dedicated: size.is_dedicated(),
            generation: NamedRef::generation(),
            id: reference(size).id,
            memory: size.memory_bytes() as f64 / GIB,
            name: size.name().to_owned(),
            precise_dyno_units: f64::from(size.compute()),
            private_space_only: false,
        }
    }
}

/// A size as other resources name it.
pub fn reference(size: DynoSize) -> NamedRef {
    NamedRef::stable("dyno-size", size.name())
}

/// A size by its name in any case, or by its id.
pub fn size_named(text: &str) -> Result<DynoSize, InvalidDynoSize> {
    let by_id = || DynoSize::ALL.into_iter().find(|size| reference(*size).id.to_string() == text);
    text.parse().or_else(|invalid| by_id().ok_or(invalid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_found_by_name_and_id() {
        for size in DynoSize::ALL {
            assert_eq!(size_named(size.name()), Ok(size));
            assert_eq!(size_named(&reference(size).id.to_string()), Ok(size));
        }
        assert_eq!(DynoSizeInfo::from(DynoSize::Standard1X).memory, 0.5);
    }
}
