//! The numbers of routing; those of an exchange are `proxy`'s.

use std::time::Duration;

/// Heroku's documented numbers by default.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How long a request waits for a starting dyno (H20), or for one that
    /// is not quarantined (H99).
    pub boot_wait: Duration,
    /// How long a dyno that refused a connection is left alone.
    pub quarantine: Duration,
    /// Dynos that one request tries before H19 or H21.
    pub attempts: usize,
    /// Requests in flight per web dyno of an app before H11.
    pub in_flight_per_dyno: usize,
    /// How long open tunnels may go on once the router is told to stop.
    pub tunnel_grace: Duration,
    /// Request line, and one header line of a request, in bytes.
    pub request_line_bytes: usize,
    pub header_name_bytes: usize,
    pub exchange: proxy::Limits,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            boot_wait: Duration::from_secs(75),
            quarantine: Duration::from_secs(5),
            attempts: 10,
            in_flight_per_dyno: 200,
            tunnel_grace: Duration::from_secs(5),
            request_line_bytes: 8192,
            header_name_bytes: 1000,
            exchange: proxy::Limits::default(),
        }
    }
}
