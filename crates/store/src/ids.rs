//! New ids.

use std::sync::Mutex;

use jiff::Timestamp;
use uuid::{ContextV7, Uuid};

/// Counts within a millisecond, and goes on counting if the clock goes back.
static ORDER: Mutex<ContextV7> = Mutex::new(ContextV7::new());

/// A UUID of version 7. Ids sort in the order in which this process made them,
/// so `ORDER BY id` is the order of making.
pub(crate) fn new_id(at: Timestamp) -> Uuid {
    let seconds = u64::try_from(at.as_second()).unwrap_or(0);
    let nanoseconds = u32::try_from(at.subsec_nanosecond()).unwrap_or(0);
    Uuid::new_v7(uuid::Timestamp::from_unix(&ORDER, seconds, nanoseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_the_same_moment_sort_in_the_order_of_making() {
        let at = Timestamp::from_second(1_767_225_600).unwrap();
        let ids: Vec<Uuid> = (0..1000).map(|_| new_id(at)).collect();
        assert!(ids.is_sorted());
        assert!(ids.last() < Some(&new_id(at - jiff::SignedDuration::from_secs(60))));
    }
}
