//! Text and numbers of a row become types.

use std::str::FromStr;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use sqlx::Row as _;

use crate::StoreError;
use crate::database::Row;

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// How verbs read a row: by column name, into the domain's types.
pub(crate) trait Columns {
    fn string(&self, column: &'static str) -> Result<String, StoreError>;
    fn maybe_string(&self, column: &'static str) -> Result<Option<String>, StoreError>;
    fn bytes(&self, column: &'static str) -> Result<Vec<u8>, StoreError>;
    fn flag(&self, column: &'static str) -> Result<bool, StoreError>;
    fn maybe_integer(&self, column: &'static str) -> Result<Option<i64>, StoreError>;

    fn text<T: FromStr<Err: Into<Cause>>>(&self, column: &'static str) -> Result<T, StoreError> {
        self.string(column)?.parse().map_err(|source| corrupt(column, source))
    }

    fn maybe_text<T: FromStr<Err: Into<Cause>>>(&self, column: &'static str) -> Result<Option<T>, StoreError> {
        self.maybe_string(column)?.map(|text| text.parse().map_err(|source| corrupt(column, source))).transpose()
    }

    fn json<T: DeserializeOwned>(&self, column: &'static str) -> Result<T, StoreError> {
        serde_json::from_str(&self.string(column)?).map_err(|source| corrupt(column, source))
    }

    fn number<T: TryFrom<i64, Error: Into<Cause>>>(&self, column: &'static str) -> Result<T, StoreError> {
        self.maybe_number(column)?.ok_or_else(|| corrupt(column, "no number"))
    }

    fn maybe_number<T: TryFrom<i64, Error: Into<Cause>>>(&self, column: &'static str) -> Result<Option<T>, StoreError> {
        self.maybe_integer(column)?
            .map(|number| number.try_into().map_err(|source| corrupt(column, source)))
            .transpose()
    }

    fn time(&self, column: &'static str) -> Result<Timestamp, StoreError> {
        self.maybe_time(column)?.ok_or_else(|| corrupt(column, "no time"))
    }

    fn maybe_time(&self, column: &'static str) -> Result<Option<Timestamp>, StoreError> {
        let time = |micros| Timestamp::from_microsecond(micros).map_err(|source| corrupt(column, source));
        self.maybe_integer(column)?.map(time).transpose()
    }
}

impl Columns for Row {
    fn string(&self, column: &'static str) -> Result<String, StoreError> {
        Ok(self.try_get(column)?)
    }

    fn maybe_string(&self, column: &'static str) -> Result<Option<String>, StoreError> {
        Ok(self.try_get(column)?)
    }

    fn bytes(&self, column: &'static str) -> Result<Vec<u8>, StoreError> {
        Ok(self.try_get(column)?)
    }

    fn flag(&self, column: &'static str) -> Result<bool, StoreError> {
        Ok(self.try_get(column)?)
    }

    fn maybe_integer(&self, column: &'static str) -> Result<Option<i64>, StoreError> {
        Ok(self.try_get(column)?)
    }
}

/// A value that the platform never wrote.
pub(crate) fn corrupt(column: &'static str, source: impl Into<Cause>) -> StoreError {
    StoreError::Corrupt { column, source: source.into() }
}

/// Reads all rows, or the first that can't be read fails.
pub(crate) fn all<T>(rows: &[Row], read: impl Fn(&Row) -> Result<T, StoreError>) -> Result<Vec<T>, StoreError> {
    rows.iter().map(read).collect()
}

/// A count of bytes as the database keeps it.
pub(crate) fn as_integer(column: &'static str, number: u64) -> Result<i64, StoreError> {
    i64::try_from(number).map_err(|source| corrupt(column, source))
}
