//! Times for people: when, and how long ago.

use api_types::Time;
use jiff::Timestamp;

/// `2026-01-31 12:00 (3 min ago)`, in UTC as the API has it.
pub(crate) fn moment(at: Time) -> String {
    format!("{} ({})", at.0.strftime("%Y-%m-%d %H:%M"), ago(at.0, Timestamp::now()))
}

fn ago(at: Timestamp, now: Timestamp) -> String {
    let seconds = now.as_second() - at.as_second();
    match seconds {
        ..5 => "just now".to_owned(),
        5..120 => format!("{seconds} s ago"),
        120..7200 => format!("{} min ago", seconds / 60),
        7200..172_800 => format!("{} h ago", seconds / 3600),
        _ => format!("{} days ago", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_fits_the_time() {
        let second = |number| Timestamp::from_second(number).unwrap();
        let ago = |seconds: i64| ago(second(1_000_000 - seconds), second(1_000_000));
        assert_eq!(ago(-3), "just now");
        assert_eq!(ago(59), "59 s ago");
        assert_eq!(ago(150), "2 min ago");
        assert_eq!(ago(3 * 3600), "3 h ago");
        assert_eq!(ago(86_400 * 9), "9 days ago");
    }
}
