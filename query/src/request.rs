//! What a query asks for, as JSON.

use serde::Deserialize;
use serde_json::Value;

use lake_api::{ApiError, ErrorCode};
use lake_cdc::{ColumnType, LakePosition, Lsn, Micros, text};

use crate::limits::SQL_BYTES_MAX;

/// The body of a request.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct QueryRequest {
    /// One SELECT.
    pub sql: String,
    /// Values of `$1…` or `?`. A string is text input of the parameter's type.
    #[serde(default)]
    pub params: Vec<Value>,
    /// Which state is asked for: the present one if left out.
    #[serde(default)]
    pub as_of: Option<AsOf>,
    /// Namespace of table names without one.
    #[serde(default)]
    pub namespace: Option<String>,
    /// A transaction that the answer must contain.
    #[serde(default)]
    pub after: Option<After>,
}

/// A moment of the lake.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(untagged)]
pub enum AsOf {
    /// `"2025-01-14T00:00:00Z"`: what shards stamped up to then.
    Timestamp(String),
    /// The same as an object, a snapshot id, or a position.
    Named(NamedAsOf),
}

/// A moment of the lake, by name of its kind. Numbers are decimal strings.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub enum NamedAsOf {
    /// ISO 8601.
    Timestamp(String),
    /// An Iceberg snapshot of one of the tables.
    SnapshotId(Digits),
    /// A lake position.
    Position(Digits),
}

/// A whole number: decimal digits, or a JSON number where JavaScript can hold it.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(untagged)]
pub enum Digits {
    /// As text.
    Text(String),
    /// As a number.
    Number(i64),
}

/// A transaction of a shard.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct After {
    /// The shard.
    pub database: String,
    /// Its position.
    pub lsn: Digits,
}

/// Which rows a table shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Moment {
    /// Everything the lake has accepted.
    Now,
    /// What shards stamped at or before.
    Stamp(Micros),
    /// What a snapshot held.
    Snapshot(i64),
    /// Changes up to a position.
    Position(LakePosition),
}

impl QueryRequest {
    /// Reads a body.
    pub fn from_json(body: &[u8]) -> Result<QueryRequest, ApiError> {
        let request: QueryRequest = serde_json::from_slice(body)
            .map_err(|error| ApiError::new(ErrorCode::Invalid, format!("the body is no query: {error}")))?;
        if request.sql.len() > SQL_BYTES_MAX {
            return Err(ApiError::new(
                ErrorCode::Sql("54000"),
                format!("the statement is longer than {SQL_BYTES_MAX} bytes"),
            ));
        }
        Ok(request)
    }

    pub(crate) fn moment(&self) -> Result<Moment, ApiError> {
        match &self.as_of {
            None => Ok(Moment::Now),
            Some(AsOf::Timestamp(text) | AsOf::Named(NamedAsOf::Timestamp(text))) => moment_of_text(text),
            Some(AsOf::Named(NamedAsOf::SnapshotId(digits))) => Ok(Moment::Snapshot(digits.signed("a snapshot id")?)),
            Some(AsOf::Named(NamedAsOf::Position(digits))) => {
                Ok(Moment::Position(LakePosition(digits.unsigned("a position")?)))
            }
        }
    }

    pub(crate) fn after(&self) -> Result<Option<(String, Lsn)>, ApiError> {
        let Some(after) = &self.after else { return Ok(None) };
        let lsn = Lsn::new(after.lsn.unsigned("an lsn")?)
            .ok_or_else(|| ApiError::new(ErrorCode::Invalid, "an lsn is at least 1"))?;
        Ok(Some((after.database.clone(), lsn)))
    }
}

/// A timestamp as Postgres reads it.
pub(crate) fn moment_of_text(value: &str) -> Result<Moment, ApiError> {
    match text::parse(&ColumnType::TimestampTz, value) {
        Ok(lake_cdc::Value::TimestampTz(micros)) => Ok(Moment::Stamp(Micros(micros))),
        Ok(_) => Err(ApiError::new(ErrorCode::Sql("22007"), "not a timestamp")),
        Err(error) => Err(ApiError::new(ErrorCode::Sql(error.sqlstate), error.message)),
    }
}

impl Digits {
    fn signed(&self, what: &str) -> Result<i64, ApiError> {
        match self {
            Digits::Number(number) => Ok(*number),
            Digits::Text(text) => text.parse().map_err(|_| not_a_number(what)),
        }
    }

    fn unsigned(&self, what: &str) -> Result<u64, ApiError> {
        match self {
            Digits::Number(number) => u64::try_from(*number).map_err(|_| not_a_number(what)),
            Digits::Text(text) => text.parse().map_err(|_| not_a_number(what)),
        }
    }
}

fn not_a_number(what: &str) -> ApiError {
    ApiError::new(ErrorCode::Invalid, format!("{what} is a whole number in decimal digits"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str, expected: Result<Moment, &str>) {
        let found = QueryRequest::from_json(body.as_bytes()).and_then(|request| request.moment());
        assert_eq!(found.map_err(|error| error.code.name()), expected, "{body}");
    }

    #[test]
    fn a_moment_has_three_kinds() {
        check(r#"{"sql":""}"#, Ok(Moment::Now));
        check(r#"{"sql":"","asOf":"1970-01-01T00:00:01Z"}"#, Ok(Moment::Stamp(Micros(1_000_000))));
        check(r#"{"sql":"","asOf":{"timestamp":"1970-01-01T00:00:01.5Z"}}"#, Ok(Moment::Stamp(Micros(1_500_000))));
        check(r#"{"sql":"","asOf":{"snapshotId":"-9"}}"#, Ok(Moment::Snapshot(-9)));
        check(r#"{"sql":"","asOf":{"position":7}}"#, Ok(Moment::Position(LakePosition(7))));
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        check(r#"{"sql":"","asOf":"yesterday-ish"}"#, Err("22007"));
        check(r#"{"sql":"","asOf":{"position":"-1"}}"#, Err("invalid"));
        check(r#"{"sql":"","asOf":{"when":"1"}}"#, Err("invalid"));
        check(r#"{"sql":"","as_of":"1"}"#, Err("invalid"));
    }
}
