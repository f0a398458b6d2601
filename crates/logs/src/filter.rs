//! Which lines of an app's stream someone wants to see.

use crate::line::Source;
use crate::record::Record;

/// What `heroku logs --source … --dyno …` asks for; the default is everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    pub source: Option<Source>,
    pub process: Option<ProcessFilter>,
}

/// One process (`web.1`, `router`) or all of one type (`web`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessFilter(String);

impl ProcessFilter {
    /// `web.1` means that process only; `web` means it and every `web.<n>`.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    fn matches(&self, process: &str) -> bool {
        match process.strip_prefix(self.0.as_str()) {
            Some("") => true,
            Some(rest) => rest.starts_with('.') && !self.0.contains('.'),
            None => false,
        }
    }
}

impl Filter {
    pub(crate) fn matches(&self, record: &Record<'_>) -> bool {
        self.source.is_none_or(|source| source == record.source)
            && self.process.as_ref().is_none_or(|process| process.matches(record.process))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_means_all_of_its_dynos_and_a_name_means_one() {
        let matches = |filter: &str, process: &str| ProcessFilter::new(filter).matches(process);
        assert!(matches("web", "web.1") && matches("web", "web.12") && matches("web.1", "web.1"));
        assert!(matches("router", "router"));
        assert!(!matches("web", "webhook.1") && !matches("web.1", "web.12") && !matches("web.1", "web"));
        assert!(!matches("worker", "web.1") && !matches("web.1", "web.1.x"));
    }
}
