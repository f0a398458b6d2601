//! Lists in parts: `Range: version ..; order=desc,max=10` and what follows.

use std::cmp::Ordering;
use std::convert::Infallible;

use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{HeaderName, StatusCode, header};
use serde::Serialize;

use crate::answer::Answer;
use crate::problem::Refusal;

const DEFAULT_MAX: usize = 200;
const LARGEST_MAX: usize = 1000;

/// A thing that lists hold.
pub(crate) trait Listed: Serialize {
    /// What a list can be ordered by; the first if nothing is asked for.
    const FIELDS: &'static [&'static str];

    /// The value of one of [`Listed::FIELDS`].
    fn key(&self, field: &str) -> Key;
}

/// Numbers are in order as numbers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    Number(u64),
    Text(String),
}

impl Key {
    /// Text from a header, as what it is compared with.
    fn like(&self, text: &str) -> Option<Self> {
        match self {
            Self::Number(_) => text.parse().ok().map(Self::Number),
            Self::Text(_) => Some(Self::Text(text.to_owned())),
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text.clone(),
        }
    }
}

/// Which part of a list is asked for. Whatever is not understood is passed
/// over: clients send odd forms (`id ..; ; `).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ListRange {
    field: Option<String>,
    start: Option<Bound>,
    end: Option<Bound>,
    descending: bool,
    max: Option<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Bound {
    text: String,
    excluded: bool,
}

impl ListRange {
    fn parse(text: &str) -> Self {
        let mut range = Self::default();
        for (index, part) in text.split([';', ',']).enumerate() {
            let part = part.trim();
            match part.split_once('=') {
                Some((name, value)) if !part.contains("..") => match (name.trim(), value.trim()) {
                    ("order", order) => range.descending = order.eq_ignore_ascii_case("desc"),
                    ("max", max) => range.max = max.parse().ok(),
                    _ => {}
                },
                _ if index == 0 => range.parse_bounds(part),
                _ => {}
            }
        }
        range
    }

    /// `field`, `field ..`, `field a..b`, `field ]a..b[`.
    fn parse_bounds(&mut self, text: &str) {
        let (field, bounds) = match text.split_once(char::is_whitespace) {
            Some((field, bounds)) => (field, bounds.trim()),
            None => (text.split("..").next().unwrap_or_default(), ""),
        };
        self.field = Some(field.to_owned()).filter(|field| !field.is_empty());
        let (start, end) = bounds.split_once("..").unwrap_or((bounds, ""));
        self.start = bound(start, start.trim().strip_prefix(']'));
        self.end = bound(end, end.trim().strip_suffix('['));
    }

    /// The part of `items` that is asked for, as an answer: 206 and where to
    /// go on if there is more.
    pub(crate) fn answer<T: Listed>(&self, items: Vec<T>) -> Result<Answer, Refusal> {
        let asked = self.field.as_deref().and_then(|field| T::FIELDS.iter().find(|known| **known == field));
        // Bounds of a field that can't be ordered by mean nothing for another.
        let bounded = asked.is_some();
        let field = asked.unwrap_or(&T::FIELDS[0]);
        let mut keyed: Vec<(Key, T)> = items.into_iter().map(|item| (item.key(field), item)).collect();
        keyed.sort_by(|(a, _), (b, _)| self.order(a, b));
        if bounded {
            keyed.retain(|(key, _)| {
                within(key, self.start.as_ref(), |key, bound| self.order(key, bound))
                    && within(key, self.end.as_ref(), |key, bound| self.order(bound, key))
            });
        }
        let max = self.max.unwrap_or(DEFAULT_MAX).clamp(1, LARGEST_MAX);
        let more = keyed.len() > max;
        keyed.truncate(max);
        let ends = keyed.first().zip(keyed.last()).map(|(first, last)| (first.0.text(), last.0.text()));
        let items: Vec<T> = keyed.into_iter().map(|(_, item)| item).collect();
        let status = if more { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
        let mut answer = Answer::with_status(status, &items)?.header(header::ACCEPT_RANGES, T::FIELDS.join(", "));
        if let Some((first, last)) = ends {
            answer = answer.header(header::CONTENT_RANGE, format!("{field} {first}..{last}"));
            if more {
                let order = if self.descending { "order=desc, " } else { "" };
                let end = self.end.as_ref().filter(|_| bounded).map(Bound::as_end).unwrap_or_default();
                let next = format!("{field} ]{last}..{end}; {order}max={max}");
                answer = answer.header(HeaderName::from_static("next-range"), next);
            }
        }
        Ok(answer)
    }

    fn order(&self, a: &Key, b: &Key) -> Ordering {
        if self.descending { b.cmp(a) } else { a.cmp(b) }
    }
}

impl Bound {
    fn as_end(&self) -> String {
        format!("{}{}", self.text, if self.excluded { "[" } else { "" })
    }
}

fn bound(text: &str, excluded: Option<&str>) -> Option<Bound> {
    let bound = Bound { text: excluded.unwrap_or(text).trim().to_owned(), excluded: excluded.is_some() };
    Some(bound).filter(|bound| !bound.text.is_empty())
}

/// Whether `key` comes after the bound, by `order` of key and bound.
fn within(key: &Key, bound: Option<&Bound>, order: impl Fn(&Key, &Key) -> Ordering) -> bool {
    let Some((bound, limit)) = bound.and_then(|bound| Some((bound, key.like(&bound.text)?))) else { return true };
    match order(key, &limit) {
        Ordering::Less => false,
        Ordering::Equal => !bound.excluded,
        Ordering::Greater => true,
    }
}

impl<S: Send + Sync> FromRequestParts<S> for ListRange {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let text = parts.headers.get(header::RANGE).and_then(|range| range.to_str().ok());
        Ok(text.map(Self::parse).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;
    use http::Response;

    use super::*;

    #[derive(Serialize)]
    struct Version(u64);

    impl Listed for Version {
        const FIELDS: &'static [&'static str] = &["id", "version"];

        fn key(&self, field: &str) -> Key {
            if field == "version" { Key::Number(self.0) } else { Key::Text(format!("id-{}", self.0)) }
        }
    }

    fn ask(range: &str, count: u64) -> Response<axum::body::Body> {
        let versions = (1..=count).map(Version).collect();
        ListRange::parse(range).answer::<Version>(versions).unwrap().into_response()
    }

    async fn listed(range: &str, count: u64) -> Vec<u64> {
        let body = axum::body::to_bytes(ask(range, count).into_body(), 1 << 20).await.unwrap();
        serde_json::from_slice(&body).unwrap()
    }

    #[tokio::test]
    async fn the_forms_that_clients_send_are_understood() {
        assert_eq!(listed("version ..; order=desc,max=1", 12).await, [12]);
        assert_eq!(listed("version ..; max=15, order=desc", 3).await, [3, 2, 1]);
        assert_eq!(listed("version 3..5", 12).await, [3, 4, 5]);
        assert_eq!(listed("version ]3..5[", 12).await, [4]);
        assert_eq!(listed("version ]3..1; order=desc", 12).await, [2, 1]);
        assert_eq!(listed("id ..; max=1000;", 3).await, [1, 2, 3]);
        assert_eq!(listed("id ..; ; ", 3).await, [1, 2, 3]);
        assert_eq!(listed("domain ..; ;", 3).await, [1, 2, 3]);
        assert_eq!(listed("domain 5..9;max=2", 3).await, [1, 2]);
        assert_eq!(listed("", 3).await, [1, 2, 3]);
        assert_eq!(listed("id", 12).await, [1, 10, 11, 12, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(listed(";;;===..", 2).await, [1, 2]);
    }

    #[tokio::test]
    async fn following_next_range_visits_everything_once() {
        for start in ["version ..; max=5", "version ..; order=desc, max=5", "id ..; max=3", "version 4..17; max=4"] {
            let (mut range, mut seen) = (start.to_owned(), Vec::new());
            for _ in 0..20 {
                let response = ask(&range, 23);
                let next = response.headers().get("next-range").map(|next| next.to_str().unwrap().to_owned());
                assert_eq!(response.status() == StatusCode::PARTIAL_CONTENT, next.is_some());
                seen.extend(listed(&range, 23).await);
                match next {
                    Some(next) => range = next,
                    None => break,
                }
            }
            let mut all: Vec<u64> = if start.contains("4..17") { (4..=17).collect() } else { (1..=23).collect() };
            seen.sort_unstable();
            all.sort_unstable();
            assert_eq!(seen, all, "{start}");
        }
    }

    #[test]
    fn a_list_says_what_it_holds() {
        let response = ask("version ..; max=2", 3);
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("accept-ranges"), "id, version");
        assert_eq!(header("content-range"), "version 1..2");
        assert_eq!(header("next-range"), "version ]2..; max=2");
        assert_eq!(ask("version ..; max=5000", 1500).status(), StatusCode::PARTIAL_CONTENT);
        assert_eq!(ask("", 3).status(), StatusCode::OK);
    }
}
