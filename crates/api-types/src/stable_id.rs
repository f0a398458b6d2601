//! Ids of things that have a name but no row: stacks, regions, dyno sizes, an
//! app's own domain.

use uuid::{Builder, Uuid};

/// The same id for the same kind and name, on every machine and in every
/// version: a custom (version 8) UUID made from both.
pub fn stable_id(kind: &str, name: &str) -> Uuid {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&fnv1a(FIRST_BASIS, kind, name).to_be_bytes());
    bytes[8..].copy_from_slice(&fnv1a(SECOND_BASIS, kind, name).to_be_bytes());
    Builder::from_custom_bytes(bytes).into_uuid()
}

const FIRST_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
/// Any other start gives a second, differing half.
const SECOND_BASIS: u64 = 0x9e37_79b9_7f4a_7c15;

fn fnv1a(basis: u64, kind: &str, name: &str) -> u64 {
    kind.bytes()
        .chain([0])
        .chain(name.bytes())
        .fold(basis, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_depends_on_kind_and_name_alone() {
        assert_eq!(stable_id("stack", "debian-13"), stable_id("stack", "debian-13"));
        assert_ne!(stable_id("stack", "us"), stable_id("region", "us"));
        assert_ne!(stable_id("a", "bc"), stable_id("ab", "c"));
        assert_eq!(stable_id("stack", "debian-13").get_version_num(), 8);
    }
}
