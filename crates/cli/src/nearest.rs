//! "Did you mean": the known name that is closest to one that is not known.

/// How alike two names must be, from 0 to 1, to be taken for a slip.
const ALIKE: f64 = 0.75;

pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = name.to_lowercase();
    let score = |known: &str| strsim::jaro_winkler(&lower, &known.to_lowercase());
    let scored = known.into_iter().map(|known| (score(known), known)).filter(|(score, _)| *score >= ALIKE);
    scored.max_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, known)| known)
}

/// A sentence to append to an error, or nothing.
pub(crate) fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(name, known).map(|known| format!(" Did you mean `{known}`?")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_something_else_is_not() {
        let known = ["shop", "shop-staging", "DATABASE_URL"];
        assert_eq!(nearest("shpo", known), Some("shop"));
        assert_eq!(nearest("shop-stagin", known), Some("shop-staging"));
        assert_eq!(nearest("database_url", known), Some("DATABASE_URL"));
        assert_eq!(nearest("zebra", known), None);
        assert_eq!(did_you_mean("zebra", known), "");
        assert_eq!(did_you_mean("DATABASE_ULR", known), " Did you mean `DATABASE_URL`?");
    }
}
